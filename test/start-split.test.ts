import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import t from 'tap'
import { childEnv } from './fixtures/child-env.ts'
import { freePort } from './fixtures/redis.ts'
import { rawClient } from './fixtures/rfc6455.ts'

interface Test { teardown (fn: () => unknown): void }

/** @returns the process, its ports, and what it has said so far */
async function startSplit (t: Test, args: string[] = []): Promise<{ child: ReturnType<typeof spawn>, ports: Record<string, number>, said: () => string }> {
  const ports = { PORT: await freePort(), WS_PORT: await freePort(), NGINX_PORT: await freePort(), REDIS_PORT: await freePort() }
  const env = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]))
  const child = spawn(process.execPath, ['--import', 'tsx', 'example/split.ts', ...args], { env: childEnv({ ...env, REDIS_URL: '' }), stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { said += String(chunk) })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  return { child, ports, said: () => said }
}

/** Ask until the server is there. */
async function fetchWhenUp (url: string, child: ReturnType<typeof spawn>, said: () => string): Promise<Response> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(said())
    const answer = await fetch(url).catch(() => undefined)
    if (answer !== undefined && answer.status < 500) return answer
  }
}

async function isListening (port: number): Promise<boolean> {
  const tcp = connect(port, '127.0.0.1')
  try {
    await once(tcp, 'connect')
    return true
  } catch {
    return false
  } finally {
    tcp.destroy()
  }
}

t.test('pages in one process, sockets in another, nginx in front: all of them go with SIGTERM', async (t) => {
  const { child, ports, said } = await startSplit(t, ['--nginx'])
  const origin = `http://127.0.0.1:${ports.NGINX_PORT}`
  t.match(await (await fetchWhenUp(`${origin}/echo/`, child, said)).text(), `ws://127.0.0.1:${ports.NGINX_PORT}/ws/echo`)
  const ready = await fetchWhenUp(`http://127.0.0.1:${ports.WS_PORT}/ready`, child, said)
  t.match(await ready.json(), { fanout: 'ready', sockets: 0 })
  const client = await rawClient(ports.NGINX_PORT!, '/ws/echo', { headers: { origin } })
  client.send('hello')
  t.equal((await client.next()).data, 'hello')

  child.kill('SIGTERM')
  await once(child, 'exit')
  t.equal(child.exitCode, 0)
  for (const [name, port] of Object.entries(ports)) t.notOk(await isListening(port), name)
})

t.test('without nginx the pages know where the sockets are', async (t) => {
  const { child, ports, said } = await startSplit(t)
  t.match(await (await fetchWhenUp(`http://127.0.0.1:${ports.PORT}/echo/`, child, said)).text(), `ws://localhost:${ports.WS_PORT}/ws/echo`)
})

t.test('a port that is taken is named before anything is started', async (t) => {
  const { child, ports, said } = await (async () => {
    const server = createServer()
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
    t.teardown(() => { server.close() })
    const taken = (server.address() as { port: number }).port
    const child = spawn(process.execPath, ['--import', 'tsx', 'example/split.ts'], { env: childEnv({ PORT: String(taken) }), stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (chunk) => { said += String(chunk) })
    return { child, ports: { taken }, said: () => said }
  })()
  await once(child, 'close')
  t.equal(child.exitCode, 1)
  t.match(said(), `port ${ports.taken} cannot be used (EADDRINUSE): set PORT to another one`)
})
