import { setInterval } from 'node:timers/promises'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import wsViews from '../lib/index.ts'
import { select } from '../lib/select.ts'
import { rawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews } from './fixtures/server.ts'
import { logIn, SerialisingStore, withSession } from './fixtures/session.ts'
import { closedBy, deferred, leave } from './fixtures/waiting.ts'

const Command = Type.Object({ type: Type.String() })

async function * count (to: number): AsyncGenerator<number> {
  for (let n = 1; n <= to; n++) yield n
}

t.test('gives the values of every source with its name, each in its order', async (t) => {
  const got: [string, unknown][] = []
  for await (const pair of select({ a: count(3), b: count(2) })) got.push(pair)
  t.strictSame(got.filter(([name]) => name === 'a'), [['a', 1], ['a', 2], ['a', 3]])
  t.strictSame(got.filter(([name]) => name === 'b'), [['b', 1], ['b', 2]])
})

t.test('a source that is always ready does not starve the others', async (t) => {
  const names: string[] = []
  for await (const [name] of select({ busy: count(100), calm: count(3) })) names.push(name)
  t.ok(names.lastIndexOf('calm') <= 6, `the third value of the calm source came as number ${names.lastIndexOf('calm') + 1}`)
})

t.test('an error of a source is thrown once, and the others are released', async (t) => {
  let released = 0
  async function * endless (): AsyncGenerator<number> {
    try {
      for (let n = 0; ; n++) yield n
    } finally {
      released++
    }
  }
  async function * broken (): AsyncGenerator<number> {
    yield 1
    throw new TypeError('the source broke')
  }
  let errors = 0
  await t.rejects(async () => {
    try {
      for await (const [source] of select({ endless: endless(), broken: broken() })) t.type(source, 'string')
    } catch (error) {
      errors++
      throw error
    }
  }, { message: 'the source broke' })
  t.equal(errors, 1)
  t.equal(released, 1)
})

t.test('what was read when the loop was left comes first in the next select', async (t) => {
  const a = count(3)
  const b = count(3)
  const got: unknown[] = []
  const left = select({ a, b })
  got.push((await left.next()).value!.join(''))
  await left.return()
  for await (const pair of select({ a, b })) got.push(pair.join(''))
  t.strictSame(got.sort(), ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
})

t.test('a handler serves its client and a channel at once, and ends with the socket', async (t) => {
  let ended = 0
  const { app, port } = await startViews(t, async (ws) => {
    ws.wsView('/feed', { name: 'feed', messageSchema: Command }, async function (socket) {
      const feed = await this.wsFanout.subscribe<string>('news', { signal: socket.signal })
      socket.send({ ready: true })
      for await (const [source, value] of select({ client: socket, feed })) socket.send({ source, value })
      ended++
    })
  })
  const client = await rawClient(port, '/ws/feed', { t })
  t.equal((await client.next()).data, '{"ready":true}')
  // two messages in one segment
  client.tcp.cork()
  client.send('{"type":"one"}')
  client.send('{"type":"two"}')
  client.tcp.uncork()
  t.equal((await client.next()).data, '{"source":"client","value":{"type":"one"}}')
  t.equal((await client.next()).data, '{"source":"client","value":{"type":"two"}}')
  await app.wsFanout.publish('news', 'hello')
  t.equal((await client.next()).data, '{"source":"feed","value":"hello"}')

  const [socket] = [...app.wsSockets]
  client.sendClose(1000)
  t.strictSame(await socket!.closed, { code: 1000, reason: '' })
  t.equal(ended, 1)
  await client.ended
})

t.test('a loop over the socket alone goes on where the select was left', async (t) => {
  const left = deferred()
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
      for await (const [source] of select({ client: socket, once: count(1) })) if (source === 'once') break
      left.resolve()
      for await (const { type } of socket) {
        socket.send(type)
        if (type === 'break') break
      }
      for await (const [, { type }] of select({ client: socket })) socket.send(`select: ${type}`)
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  await left.promise
  for (const type of ['one', 'two', 'break', 'three']) client.send(`{"type":"${type}"}`)
  for (const type of ['one', 'two', 'break', 'select: three']) t.equal((await client.next()).data, JSON.stringify(type))
  await leave(client)
})

t.test('a message that was handed out is done with when the loop is left: at shutdown the socket is idle', async (t) => {
  const { app, port } = await startViews(t, async (ws) => {
    ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
      for await (const [, { type }] of select({ client: socket })) {
        socket.send(type)
        if (type === 'last') break
      }
      await new Promise((resolve) => { socket.signal.addEventListener('abort', resolve) })
    })
  }, { closeTimeoutMs: 600_000 })
  const client = await rawClient(port, '/ws/v', { t })
  client.send('{"type":"last"}')
  await client.next()
  const closing = app.close()
  t.strictSame(await closedBy(client), { code: 1001, reason: 'server_closing' })
  await closing
})

t.test('a message that a select has asked for, and nobody waits for any more, does not hold up the shutdown', async (t) => {
  const { app, port } = await startViews(t, async (ws) => {
    ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
      for await (const [source] of select({ client: socket, once: count(1) })) if (source === 'once') break
      socket.send('left')
      await new Promise((resolve) => { socket.signal.addEventListener('abort', resolve) })
    })
  }, { closeTimeoutMs: 600_000 })
  const client = await rawClient(port, '/ws/v', { t })
  await client.next()
  client.send('{"type":"late"}')
  client.ping()
  await client.nextPong()
  const closing = app.close()
  t.strictSame(await closedBy(client), { code: 1001, reason: 'server_closing' })
  await closing
})

t.test('what is no source is refused before anything is read', async (t) => {
  let asked = 0
  const good = { async * [Symbol.asyncIterator] () { asked++; yield 1 } }
  const wrong: [sources: unknown, message: RegExp][] = [
    [{ good, feed: Promise.resolve(good) }, /'feed' must be an async iterable, got a promise/],
    [{ good, list: [1] }, /'list' must be an async iterable, got an array/],
    [{ good, none: undefined }, /'none' must be an async iterable, got undefined/],
    [undefined, /'sources' must be an object of async iterables, by name, got undefined/],
    [null, /'sources' must be .*, got null/]
  ]
  for (const [sources, message] of wrong) {
    await t.rejects(select(sources as { good: typeof good }).next(), { code: 'WSV_ERR_OPTION_INVALID', message })
  }
  t.equal(asked, 0)
})

t.test('a source is read by one loop at a time', async (t) => {
  const feed = count(3)
  const refused = { code: 'WSV_ERR_OPTION_INVALID', message: /'.' must be a source that is in no other loop, got one that is/ }
  await t.rejects(select({ a: feed, b: feed }).next(), refused)
  const first = select({ feed })
  t.strictSame((await first.next()).value, ['feed', 1])
  const waits = first.next()
  await t.rejects(select({ b: feed, other: count(1) }).next(), refused)
  t.strictSame((await waits).value, ['feed', 2], 'the first goes on')
  await first.return()
  t.strictSame((await select({ feed }).next()).value, ['feed', 3], 'when it is left, another may')
})

t.test('a loop over the socket within a select: nothing is handed out twice', async (t) => {
  const seen = deferred<unknown[]>()
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
      const got: unknown[] = []
      try {
        for await (const [source, value] of select({ client: socket, once: count(1) })) {
          got.push(source === 'once' ? source : value.type)
          // nobody else has asked for the next message: this loop may
          if (source === 'client') for await (const { type } of socket) if (got.push(type) && type === 'end') break
          // the select waits for it already
          if (source === 'once') {
            await t.rejects(socket[Symbol.asyncIterator]().next(), {
              code: 'WSV_ERR_OPTION_INVALID', message: /'socket' must be a source that is in no other loop, got one that is/
            })
            socket.send('ready')
          }
          if (got.length === 4) break
        }
      } finally {
        seen.resolve(got)
      }
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  await client.next()
  for (const type of ['one', 'two', 'end']) client.send(`{"type":"${type}"}`)
  t.strictSame(await seen.promise, ['once', 'one', 'two', 'end'])
  t.strictSame(await closedBy(client), { code: 1000, reason: '' })
})

t.test('a select within a loop over the socket: the loop goes on where it was left', async (t) => {
  const { port } = await startViews(t, async (ws) => {
    ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
      for await (const { type } of socket) {
        if (type === 'select') for await (const [source] of select({ client: socket, once: count(1) })) if (source === 'once') break
        socket.send(type)
      }
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  for (const type of ['select', 'one', 'select', 'two', 'three']) {
    client.send(`{"type":"${type}"}`)
    t.equal((await client.next()).data, JSON.stringify(type))
  }
  await leave(client)
})

t.test('a session that cannot be saved when its client has left ends the loop, whatever the store calls it', async (t) => {
  const store = new SerialisingStore()
  const app = buildApp(t)
  await withSession(app, store)
  let ended = 0
  await app.register(wsViews, {
    views: async (ws) => {
      ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
        try {
          for await (const [source] of select({ client: socket, forever: setInterval(5) })) {
            if (source !== 'client') continue
            socket.session.note = 'changed'
            socket.send('changed')
            await new Promise((resolve) => { socket.signal.addEventListener('abort', resolve) })
            store.error = Object.assign(new Error('took too long'), { name: 'AbortError' })
          }
        } finally {
          ended++
        }
      })
    }
  })
  const client = await rawClient(await listen(app), '/v', { t, headers: await logIn(app) })
  const [socket] = [...app.wsSockets]
  client.send('{"type":"one"}')
  await client.next()
  client.sendClose(1000)
  await socket!.closed
  t.equal(ended, 1)
  await client.ended
})

t.test('a session that cannot be saved costs no message', async (t) => {
  const store = new SerialisingStore()
  const app = buildApp(t)
  await withSession(app, store)
  await app.register(wsViews, {
    views: async (ws) => {
      ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
        const refusal = new Error('the store is away')
        await t.rejects(async () => {
          for await (const [source] of select({ client: socket, once: count(1) })) {
            t.equal(source, 'once')
            socket.session.note = 'changed'
            store.error = refusal
          }
        }, refusal)
        store.error = undefined
        socket.send('failed')
        for await (const { type } of socket) socket.send(type)
      })
    }
  })
  const client = await rawClient(await listen(app), '/v', { t, headers: await logIn(app) })
  t.equal((await client.next()).data, '"failed"')
  for (const type of ['one', 'two']) {
    client.send(`{"type":"${type}"}`)
    t.equal((await client.next()).data, JSON.stringify(type))
  }
  await leave(client)
})

t.test('a source that is aborted with the socket ends like it: what the client sent before is still handled', async (t) => {
  const handled: unknown[] = []
  const started = deferred()
  const { app, port } = await startViews(t, async (ws) => {
    ws.wsView('/v', { name: 'v', messageSchema: Command }, async (socket) => {
      const clock = setInterval(1e6, undefined, { signal: socket.signal })
      for await (const [source, value] of select({ client: socket, clock })) {
        handled.push([source, value])
        started.resolve()
        if (!socket.signal.aborted) await new Promise((resolve) => { socket.signal.addEventListener('abort', resolve) })
      }
      handled.push('end')
    })
  })
  const client = await rawClient(port, '/ws/v', { t })
  for (const type of ['one', 'two', 'three']) client.send(`{"type":"${type}"}`)
  await started.promise
  const [socket] = [...app.wsSockets]
  client.sendClose(1000)
  await socket!.closed
  t.strictSame(handled, [['client', { type: 'one' }], ['client', { type: 'two' }], ['client', { type: 'three' }], 'end'])
  await client.ended
})

t.test('a source that is silent is listened to once, however often the loop is left', async (t) => {
  let give!: (result: IteratorResult<number>) => void
  const next = new Promise<IteratorResult<number>>((resolve) => { give = resolve })
  const then = t.capture(next, 'then', next.then)
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => next }) }
  for (let i = 0; i < 10; i++) {
    for await (const [source] of select({ silent, other: count(1) })) if (source === 'other') break
  }
  t.equal(then().length, 1)
  give({ done: false, value: 5 })
  for await (const pair of select({ silent })) {
    t.strictSame(pair, ['silent', 5])
    if (pair[1] === 5) break
  }
})
