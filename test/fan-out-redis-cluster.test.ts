import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { createFanOut, type FanOut, type FanOutOptions } from '../lib/fan-out/fan-out.ts'
import { captureLog, compileCheck, fanOutContract, Recorder, type Log } from './fixtures/fan-out-contract.ts'
import { startCluster } from './fixtures/redis.ts'

const nodes = await startCluster(t)

function clusterOf (t: Test, options: { lazyConnect?: boolean } = {}): Cluster {
  const seeds = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  // no refreshing: a Cluster that is disconnected amid one goes on with it for ever, and keeps the process
  const cluster = new Cluster(seeds, { slotsRefreshInterval: 0, clusterRetryStrategy: () => 20, ...options })
  cluster.on('error', () => {})
  t.teardown(() => { cluster.disconnect() })
  return cluster
}

async function open (t: Test, cluster: Cluster, options: Partial<FanOutOptions> = {}): Promise<{ fanOut: FanOut, log: Log }> {
  const log = captureLog()
  const fanOut = createFanOut({ redis: cluster, log, compileCheck, ...options })
  t.teardown(() => fanOut.close())
  await fanOut.opened
  return { fanOut, log }
}

t.test('the promises of every fan-out, in a Redis Cluster', async (t) => {
  const clusters = [clusterOf(t), clusterOf(t)]
  let run = 0
  fanOutContract(t, async (t, options) => {
    // a node may still have a message of the test before
    const channelPrefix = `${run++}:${options?.channelPrefix ?? ''}`
    const [near, far] = await Promise.all(clusters.map((cluster) => open(t, cluster, { ...options, channelPrefix })))
    return [near!.fanOut, far!.fanOut]
  }, { knowsThePast: false })
})

t.test('a pair may hold a Cluster, which is left open', async (t) => {
  const [cluster, other] = [clusterOf(t), clusterOf(t, { lazyConnect: true })]
  const { fanOut } = await open(t, cluster, { redis: { publisher: cluster, subscriber: other } })
  const recorder = new Recorder()
  await fanOut.join('lobby', recorder)
  await fanOut.publish('lobby', 1)
  await recorder.got(1)
  await fanOut.close()
  t.equal(await cluster.get('key'), null)
  t.equal(await other.get('key'), null)
})

// last: it kills a node
t.test('a node that dies: subscribes at another, tells of the gap, publishes past it', async (t) => {
  const { fanOut, log } = await open(t, clusterOf(t))
  const recorder = new Recorder()
  const channels = Array.from({ length: 30 }, (_, i) => `room:${i}`)
  await Promise.all(channels.map((channel) => fanOut.join(channel, recorder)))
  const subscriptions = await Promise.all(nodes.map(async (node) => (await node.command('PUBSUB', 'CHANNELS') as string[]).length))
  t.strictSame(subscriptions.toSorted((a, b) => a - b), [0, 0, 30], 'one node has them all')
  await nodes[subscriptions.indexOf(30)]!.kill()
  await log.seen('Redis is away')
  await recorder.missed(1)
  t.strictSame(recorder.gaps.map((names) => names.sort()), [channels.toSorted()])
  // until the client has noticed, what goes to the dead node is refused
  for (const channel of channels) {
    while ((await Promise.allSettled([fanOut.publish(channel, channel)]))[0]!.status === 'rejected') await new Promise(setImmediate)
  }
  await recorder.got(30)
  t.strictSame(new Set(recorder.texts), new Set(channels.map((channel) => JSON.stringify(channel))))
})
