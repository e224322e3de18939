import { Agent, request as httpRequest } from 'node:http'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import t from 'tap'
import { ServerState } from '../lib/server-state.ts'
import { shareHeaders } from '../lib/shared-headers.ts'
import { wsConnect } from '../lib/testing/index.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'
import { withSession, logIn, SerialisingStore } from './fixtures/session.ts'
import wsViews from '../lib/index.ts'

// What a socket holds for as long as it is open, counted: a regression is caught without a clock and without a scale.

t.test('listeners: none on the object of ws, and on the TCP socket those of Node and ws', async (t) => {
  const { app } = await startViews(t, async (ws) => { ws.wsView('/a', { name: 'a', frames: 'text', onMessage () {} }) })
  const client = await wsConnect(app, '/ws/a', { listen: true })
  const [socket] = app.wsSockets
  t.strictSame(socket!.raw.eventNames(), [])
  const tcp = socket!.request.raw.socket
  setFlagsFromString('--allow-natives-syntax')
  const isDictionary = runInThisContext('(object) => !%HasFastProperties(object)') as (object: unknown) => boolean
  t.equal(isDictionary((socket!.raw as unknown as { _events: object })._events), false, 'no dictionary is kept for none')
  t.strictSame(Object.fromEntries(tcp.eventNames().map((name) => [String(name), tcp.listenerCount(name)])), { end: 2, close: 1, data: 1, error: 1 })
  await client.close()
})

t.test('timers: 300 sockets with sessions are watched by as much as one', async (t) => {
  const app = buildApp(t)
  await withSession(app, new SerialisingStore())
  await app.register(wsViews, { views: async (ws) => { ws.wsView('/a', { name: 'a' }) } })
  const { watch } = ServerState.of(app, {})
  const headers = await logIn(app)
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const first = await wsConnect(app, '/a', { headers })
  const before = { watched: watch.size, timers: timers() }
  const clients = await Promise.all(Array.from({ length: 299 }, () => wsConnect(app, '/a', { headers })))
  t.equal(app.wsSockets.count, 300)
  // each client in this process has a timer that keeps the process alive
  t.strictSame({ watched: watch.size, timers: timers() - clients.length }, before)
  await Promise.all([first, ...clients].map((client) => client.close()))
})

t.test('the object of ws is an emitter like any other', async (t) => {
  const { app } = await startViews(t, async (ws) => { ws.wsView('/a', { name: 'a', frames: 'text', onMessage () {} }) })
  const client = await wsConnect(app, '/ws/a')
  const { raw } = [...app.wsSockets][0]!
  for (const name of ['toString', 'constructor']) t.equal(raw.emit(name), false, name)
  const heard: string[] = []
  const listener = (): void => { heard.push('on') }
  raw.on('message', listener)
  raw.once('message', () => { heard.push('once') })
  raw.on('newListener', (name: string) => { heard.push(name) })
  raw.on('hasOwnProperty', listener)
  t.strictSame(raw.eventNames(), ['message', 'newListener', 'hasOwnProperty'])
  t.equal(raw.listenerCount('message'), 2)
  raw.emit('message', Buffer.from('a'), false)
  raw.emit('message', Buffer.from('b'), false)
  t.strictSame(heard, ['hasOwnProperty', 'on', 'once', 'on'])
  raw.off('message', listener)
  raw.removeAllListeners()
  t.strictSame(raw.eventNames(), [])
  await client.terminate()
})

t.test('an error of ws is not thrown where nobody listens, and told to who does', async (t) => {
  const { app } = await startViews(t, async (ws) => { ws.wsView('/a', { name: 'a', frames: 'text', onMessage () {} }) })
  const client = await wsConnect(app, '/ws/a')
  const [socket] = app.wsSockets
  socket!.raw.emit('error', new Error('nobody listens'))
  const heard: string[] = []
  socket!.raw.on('error', (error) => { heard.push(error.message) })
  socket!.raw.emit('error', new Error('somebody does'))
  t.strictSame(heard, ['somebody does'])
  await client.terminate()
})

t.test('headers that share their strings are the headers that were sent', async (t) => {
  const app = buildApp(t)
  app.get('/', async (request) => {
    const before = { raw: [...request.raw.rawHeaders], headers: { ...request.headers }, distinct: { ...request.raw.headersDistinct } }
    shareHeaders(request.raw, '/')
    return { before, after: { raw: request.raw.rawHeaders, headers: request.headers, distinct: request.raw.headersDistinct }, version: request.raw.httpVersion, url: request.raw.url }
  })
  const port = await listen(app)
  const different: object[] = []
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => { agent.destroy() })
  // more different ones than are kept, and twice the same: from the second on they are shared
  for (let i = 0; i < 1100; i++) {
    const sent = httpRequest({
      port,
      path: i % 2 === 0 ? '/' : '/?a=1',
      agent,
      headers: [
        'HOST', 'localhost', 'User-Agent', `agent ${i >> 1}`, `X-${i >> 1}`, 'a', 'Accept', 'text/a', 'accept', 'text/b', 'Cookie', 'a=1', 'cookie', 'b=2',
        'Cache-Control', 'x'.repeat(600)
      ]
    })
    sent.end()
    const [response] = await once(sent, 'response')
    let body = ''
    for await (const text of response) body += text
    const { before, after, version, url } = JSON.parse(body) as { before: object, after: object, version: string, url: string }
    if (JSON.stringify(before) !== JSON.stringify(after) || version !== '1.1' || url !== (i % 2 === 0 ? '/' : '/?a=1')) different.push({ before, after, version, url })
  }
  t.strictSame(different, [])
})
