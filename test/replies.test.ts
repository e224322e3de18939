import t from 'tap'
import { Type } from '@sinclair/typebox'
import wsViews, { errors, ValidationError } from '../lib/index.ts'
import type { FormErrors, WsSocket, WsViews } from '../lib/index.ts'
import { rawClient, type RawClient } from './fixtures/rfc6455.ts'
import { buildApp, listen, startViews as start } from './fixtures/server.ts'
import { closedBy, deferred, Journal, leave, logger } from './fixtures/waiting.ts'

/** A closing handshake that does not come to its end fails the test: nobody cuts it short. */
const startViews: typeof start = (t, views, options) => start(t, views, { closeTimeoutMs: 600_000, ...options })

const Anything = Type.Unknown()
const Say = Type.Object({ text: Type.String({ minLength: 1 }) })
const Said = Type.Object({ text: Type.String() })

async function ask (client: RawClient, message: unknown): Promise<any> {
  client.send(typeof message === 'string' ? message : JSON.stringify(message))
  return JSON.parse(String((await client.next()).data))
}

t.test('what the handler returns is the reply; undeclared properties are left out', async t => {
  const row = { text: 'hi', password: 'secret', nested: { shown: 1, hidden: 2 }, list: [{ shown: 1, hidden: 2 }] }
  const Shown = Type.Object({ shown: Type.Number() })
  const schemas = {
    declared: Type.Object({ text: Type.String(), nested: Shown, list: Type.Array(Shown) }),
    unknown: Anything,
    record: Type.Record(Type.String(), Anything),
    additional: Type.Object({ text: Type.String() }, { additionalProperties: true })
  }
  const { port } = await startViews(t, async ws => {
    for (const [name, replySchema] of Object.entries(schemas)) {
      ws.wsView(`/${name}`, {
        name,
        messageSchema: Anything,
        replySchema: replySchema as typeof Anything,
        onMessage: (socket, message) => message === 'async' ? Promise.resolve(row) : message === 'send' ? socket.send(row) : row
      })
    }
  })
  for (const name of Object.keys(schemas)) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    const expected = name === 'declared' ? { text: 'hi', nested: { shown: 1 }, list: [{ shown: 1 }] } : row
    for (const message of ['"sync"', '"async"', '"send"']) t.same(await ask(client, message), expected, `${name}, ${message}`)
    await leave(client)
  }
})

t.test('a codec is given what the replySchema declares, with values that JSON does not have', async t => {
  class Row { id = 1n; bytes = Buffer.from('abc'); at = new Date(0); password = 'secret'; list = [{ n: 1, hidden: 2 }, { n: 2 }]; inner = { a: new Map([['b', 1]]), hidden: 1 } }
  const serialized = new Journal<unknown>()
  const replySchema = Type.Object({
    id: Type.Unsafe<bigint>({ type: 'integer' }),
    bytes: Type.Unsafe<Buffer>({}),
    at: Type.Unsafe<Date>({}),
    list: Type.Array(Type.Object({ n: Type.Integer() })),
    inner: Type.Object({ a: Type.Unknown() })
  })
  const { port } = await startViews(t, async ws => {
    ws.wsView('/row', {
      name: 'row',
      checkReplies: false,
      frames: { parse: data => JSON.parse(String(data)) as unknown, serialize (message: unknown) { serialized.add(message); return 'sent' } },
      replySchema,
      onMessage: (socket, message) => new Row()
    })
  })
  const client = await rawClient(port, '/ws/row', { t })
  client.send('{"ref":7}')
  t.equal((await client.next()).data, 'sent')
  const { id, bytes, at, inner } = new Row()
  t.strictSame(serialized.entries, [{ id, bytes, at, list: [{ n: 1 }, { n: 2 }], inner: { a: inner.a }, ref: 7 }])
  await leave(client)
})

t.test('a codec is given nothing undeclared, whatever the value is', async t => {
  class Row { id = 1; password = 'secret'; get [Symbol.toStringTag] (): string { return 'Row' } }
  class Rows { password = 'secret'; toJSON (): unknown { return [{ id: 1 }] } }
  const url = new URL('http://localhost/')
  const replies: [reply: object, left: object][] = [
    [{ row: new Row() }, { row: { id: 1 } }],
    [{ row: [{ id: 1, password: 'secret' }] }, { row: {} }],
    [{ any: new Rows() }, { any: [{ id: 1 }] }],
    [{ any: url }, { any: url }]
  ]
  const serialized = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/row', {
      name: 'row',
      checkReplies: false,
      frames: { parse: Number, serialize (message: unknown) { serialized.add(message); return 'sent' } },
      replySchema: Type.Object({ row: Type.Optional(Type.Object({ id: Type.Optional(Type.Integer()) })), any: Type.Optional(Type.Unknown()) }),
      onMessage: (socket, message) => replies[message]![0]
    })
  })
  const client = await rawClient(port, '/ws/row', { t })
  for (const [i, [, left]] of replies.entries()) {
    client.send(String(i))
    t.equal((await client.next()).data, 'sent')
    t.strictSame(serialized.entries[i], left)
  }
  await leave(client)
})

t.test('nothing returned, nothing sent', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/quiet', {
      name: 'quiet',
      messageSchema: Anything,
      replySchema: Type.Unsafe<unknown>({}),
      async onMessage (socket, message) { if (message === 'null') return null }
    })
  })
  const client = await rawClient(port, '/ws/quiet', { t })
  client.send('{"ref":1}')
  t.equal(await ask(client, '"null"'), null, 'null is a value')
  t.equal(client.reader.messages.length, 1)
  await leave(client)
})

const refs: [label: string, ref: unknown, isRef: boolean][] = [
  ['a string', 'abc', true], ['an empty string', '', true], ['64 characters', 'r'.repeat(64), true], ['65 characters', 'r'.repeat(65), false],
  ['a number', 7, true], ['zero', 0, true], ['a fraction', -1.5, true], ['a boolean', true, false], ['null', null, false],
  ['an array', [1], false], ['an object', { a: 1 }, false]
]

t.test('the ref comes back on the reply, and never reaches the handler', async t => {
  const seen = new Journal<unknown>()
  const modes = {
    drop: {}, refuse: { unknownKeys: 'refuse' as const }, strict: { form: 'strict' as const }
  }
  const { port } = await startViews(t, async ws => {
    for (const [name, mode] of Object.entries(modes)) {
      ws.wsView(`/${name}`, {
        name,
        ...mode,
        messageSchema: Type.Object({ text: Type.String({ minLength: 1 }) }, name === 'strict' ? { additionalProperties: false } : {}),
        replySchema: Said,
        onMessage (socket, message) { seen.add(message); return message }
      })
    }
    ws.wsView('/anything', { name: 'anything', messageSchema: Anything, replySchema: Said, onMessage (socket, message) { seen.add(message); return message as { text: string } } })
    ws.wsView('/record', { name: 'record', messageSchema: Type.Record(Type.String(), Type.String({ minLength: 2 })), replySchema: Said, onMessage (socket, message) { seen.add(message); return message as { text: string } } })
  })
  for (const name of [...Object.keys(modes), 'anything', 'record']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    for (const [label, ref, isRef] of refs) {
      t.same(await ask(client, { ref, text: 'hi' }), isRef ? { ref, text: 'hi' } : { text: 'hi' }, `${name}: ${label}`)
      t.same(seen.entries.at(-1), { text: 'hi' }, `${name}: ${label} is taken off`)
    }
    t.same(await ask(client, { text: 'hi' }), { text: 'hi' }, `${name}: none`)
    t.same(await ask(client, '{"ref":1e999,"text":"hi"}'), { text: 'hi' }, `${name}: a number that is not finite`)
    t.same(await ask(client, '{"ref":"a\\"b\\u2028","text":"hi"}'), { ref: 'a"b\u2028', text: 'hi' }, `${name}: one to be escaped`)
    await leave(client)
  }
})

t.test('a ref that the schema declares is the view\'s to read, and comes back all the same', async t => {
  const seen = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    ws.wsView('/declared', {
      name: 'declared',
      messageSchema: Type.Object({ ref: Type.Integer(), text: Type.String() }),
      replySchema: Said,
      onMessage (socket, message) { seen.add(message); return message }
    })
  })
  const client = await rawClient(port, '/ws/declared', { t })
  t.same(await ask(client, { ref: 7, text: 'hi' }), { ref: 7, text: 'hi' })
  t.same(seen.entries, [{ ref: 7, text: 'hi' }])
  t.match(await ask(client, { ref: 'x', text: 'hi' }), { ref: 'x', errors: { ref: [{ code: 'invalid' }] } })
  await leave(client)
})

t.test('refKey: another key, or none', async t => {
  const seen = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    for (const refKey of ['id', false] as const) {
      ws.wsView(`/${refKey}`, {
        name: String(refKey),
        refKey,
        unknownKeys: 'refuse',
        messageSchema: Say,
        replySchema: Type.Object({ text: Type.String() }),
        onMessage (socket, message) { seen.add(message); return message }
      })
    }
  })
  const other = await rawClient(port, '/ws/id', { t })
  t.same(await ask(other, { id: 5, text: 'hi' }), { id: 5, text: 'hi' })
  t.match(await ask(other, { ref: 5, text: 'hi' }), { type: 'error', errors: { __all__: [{ code: 'extra_keys' }] } }, 'ref is a key like any other')
  t.match(await ask(other, { id: 6, text: '' }), { type: 'error', errors: { text: [{ code: 'required' }] } })
  await leave(other)
  const none = await rawClient(port, '/ws/false', { t })
  const refused = await ask(none, { ref: 5, text: 'hi' })
  t.match(refused, { errors: { __all__: [{ code: 'extra_keys' }] } })
  t.notOk('ref' in refused)
  t.same(await ask(none, { text: 'hi' }), { text: 'hi' })
  await leave(none)
})

t.test('the key of an error reply\'s ref is refKey', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/id', { name: 'id', refKey: 'id', messageSchema: Say, onMessage () {} })
  })
  const client = await rawClient(port, '/ws/id', { t })
  const reply = await ask(client, { id: 6, text: '' })
  t.same(Object.keys(reply), ['type', 'id', 'errors'])
  t.equal(reply.id, 6)
  await leave(client)
})

t.test('a reply that has a ref keeps it, and has it once', async t => {
  const replies: Record<string, [schema: unknown, reply: unknown, got: unknown]> = {
    declared: [Type.Object({ ref: Type.String(), a: Type.Number() }), { ref: 'own', a: 1 }, { ref: 'own', a: 1 }],
    'declared, absent': [Type.Object({ ref: Type.Optional(Type.String()), a: Type.Number() }), { a: 1 }, { ref: 'asked', a: 1 }],
    'declared, undefined': [Type.Object({ ref: Type.Optional(Type.String()), a: Type.Number() }), { ref: undefined, a: 1 }, { ref: 'asked', a: 1 }],
    default: [{ type: 'object', properties: { ref: { type: 'string', default: 'by default' } } }, {}, { ref: 'by default' }],
    undeclared: [Type.Object({ a: Type.Number() }), { ref: 'own', a: 1 }, { ref: 'asked', a: 1 }],
    unknown: [Anything, { ref: 'own' }, { ref: 'own' }],
    'unknown, null': [Anything, { ref: null }, { ref: null }],
    'unknown, toJSON': [Anything, { toJSON: () => ({ ref: 'own' }) }, { ref: 'own' }],
    record: [Type.Record(Type.String(), Type.String()), { ref: 'own' }, { ref: 'own' }],
    union: [Type.Union([Type.Object({ k: Type.Literal('a'), ref: Type.String() }), Type.Object({ k: Type.Literal('b') })]), { k: 'a', ref: 'own' }, { k: 'a', ref: 'own' }],
    'union, without': [Type.Union([Type.Object({ k: Type.Literal('a'), ref: Type.String() }), Type.Object({ k: Type.Literal('b') })]), { k: 'b' }, { ref: 'asked', k: 'b' }],
    'deeper only': [Anything, { a: { ref: 'deep' }, b: 'ref' }, { ref: 'asked', a: { ref: 'deep' }, b: 'ref' }],
    empty: [Type.Object({}), { dropped: 1 }, { ref: 'asked' }],
    array: [Anything, [1, { ref: 'own' }], [1, { ref: 'own' }]],
    string: [Anything, '{"a":1}', '{"a":1}'],
    number: [Type.Number(), 5, 5],
    null: [{ type: ['object', 'null'], properties: { ref: { type: 'string' } } }, null, null],
    boolean: [Anything, false, false]
  }
  const names = Object.keys(replies)
  const { port } = await startViews(t, async ws => {
    for (const [i, name] of names.entries()) {
      const [replySchema, reply] = replies[name]!
      for (const frames of ['json', { parse: (data: string | Buffer): unknown => JSON.parse(String(data)), serialize: (message: unknown) => JSON.stringify(message) }] as const) {
        ws.wsView(`/${typeof frames}/${i}`, {
          name: `${typeof frames} ${name}`, frames, messageSchema: Anything, replySchema: replySchema as typeof Anything, onMessage: () => reply
        })
      }
    }
  })
  for (const [i, name] of names.entries()) {
    const client = await rawClient(port, `/ws/string/${i}`, { t })
    client.send('{"ref":"asked"}')
    const { data } = await client.next()
    t.same(JSON.parse(String(data)), replies[name]![2], name)
    const keys = String(data).replace('{"ref":"deep"}', '').match(/"ref":/g) ?? []
    t.ok(keys.length < 2, `${name}: once`)
    await leave(client)
  }
  for (const [i, name] of names.entries()) {
    const client = await rawClient(port, `/ws/object/${i}`, { t })
    t.same(await ask(client, { ref: 'asked' }), replies[name]![2], `codec: ${name}`)
    await leave(client)
  }
})

t.test('text and binary views have no ref', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/text', { name: 'text', frames: 'text', onMessage: (socket, message) => message })
  })
  const client = await rawClient(port, '/ws/text', { t })
  client.send('{"ref":1}')
  t.equal((await client.next()).data, '{"ref":1}')
  await leave(client)
})

t.test('a reply without a replySchema: 1011, and the log names the view', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const views: WsViews = async ws => {
    ws.wsView('/row', { name: 'row', messageSchema: Say, onMessage: ((socket: unknown, message: unknown) => message) as () => void })
    ws.wsView('/codec', { name: 'codec', frames: { parse: String, serialize: String }, onMessage: (() => 'text') as () => void })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  for (const [i, name] of ['row', 'codec'].entries()) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    client.send('{"text":"hi"}')
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' })
    t.equal(client.reader.messages.length, 0)
    t.match((await log.lines.until(i + 1))[i], { err: { code: 'WSV_ERR_REPLY_WITHOUT_SCHEMA', message: new RegExp(`'${name}'`) }, ws: { view: name } })
  }
})

t.test('checkReplies: what the replySchema does not allow is not sent', async t => {
  const caught = new Journal<string>()
  const bad = { text: 5 } as unknown as { text: string }
  const { port } = await startViews(t, async ws => {
    for (const checkReplies of [true, false]) {
      ws.wsView(`/${checkReplies}`, {
        name: String(checkReplies),
        checkReplies,
        messageSchema: Type.Object({ do: Type.String() }),
        replySchema: Type.Object({ text: Type.String() }, { additionalProperties: false }),
        onHandlerError (error) { caught.add((error as { code: string }).code) },
        onMessage (socket, message) {
          if (message.do === 'reply') return bad
          if (message.do === 'good') return { text: 'good' }
          try {
            socket.send(bad)
          } catch (error) {
            caught.add((error as { code: string }).code, (error as Error).message)
          }
        }
      })
    }
  })
  const checked = await rawClient(port, '/ws/true', { t })
  checked.send('{"do":"send"}')
  const [code, message] = await caught.until(2)
  t.equal(code, 'WSV_ERR_REPLY_INVALID')
  t.match(message, /'true'.*text/)
  t.same(await ask(checked, { do: 'good', ref: 1 }), { ref: 1, text: 'good' }, 'the ref is nothing to be checked')
  checked.send('{"do":"reply"}')
  t.same(await closedBy(checked), { code: 1011, reason: 'internal_error' })
  t.equal((await caught.until(3))[2], 'WSV_ERR_REPLY_INVALID')
  t.equal(checked.reader.messages.length, 1)

  const unchecked = await rawClient(port, '/ws/false', { t })
  t.same(await ask(unchecked, { do: 'reply' }), { text: '5' })
  await leave(unchecked)
})

t.test('checkReplies holds for text as well', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/text', { name: 'text', frames: 'text', replySchema: Type.String({ maxLength: 3 }), onMessage: (socket, message) => message })
  })
  const client = await rawClient(port, '/ws/text', { t })
  client.send('abc')
  t.equal((await client.next()).data, 'abc')
  client.send('abcd')
  t.same(await closedBy(client), { code: 1011, reason: 'internal_error' })
})

t.test('a replySchema that cannot be compiled is refused when the server gets ready, with the name of the view', async t => {
  const broken: [options: object, reason: RegExp][] = [
    [{ replySchema: { $ref: 'nope#' } }, /'chat'.*replySchema: .*nope/],
    [{ replySchema: { type: 'strin' } }, /'chat'.*replySchema: .*type/],
    [{ frames: 'binary', replySchema: Type.Uint8Array() }, /'chat'.*Uint8Array/]
  ]
  for (const [options, message] of broken) {
    await t.rejects(startViews(t, async ws => { ws.wsView('/chat', { name: 'chat', ...options }) }), { code: 'WSV_ERR_SCHEMA_INVALID', message })
  }
})

t.test('checkReplies is on outside production', async t => {
  const before = process.env.NODE_ENV
  t.teardown(() => { process.env.NODE_ENV = before; if (before === undefined) delete process.env.NODE_ENV })
  const views: WsViews = async ws => {
    ws.wsView('/v', { name: 'v', messageSchema: Anything, replySchema: Said, onMessage: () => ({ text: 5 } as unknown as { text: string }) })
  }
  for (const [env, isChecked] of [['production', false], ['test', true], ['', true]] as const) {
    process.env.NODE_ENV = env
    const { port } = await startViews(t, views)
    const client = await rawClient(port, '/ws/v', { t })
    if (isChecked) {
      client.send('1')
      t.match(await closedBy(client), { code: 1011 })
    } else {
      t.same(await ask(client, '1'), { text: '5' })
      await leave(client)
    }
  }
})

t.test('what the serializer of the replySchema cannot serialize is WSV_ERR_NOT_SERIALIZABLE', async t => {
  interface Node { next?: Node }
  const cycle: Node = {}
  cycle.next = cycle
  const NodeSchema = { $id: 'node', type: 'object', properties: { next: { $ref: 'node#' } } }
  const values: [schema: object, value: unknown][] = [
    [Type.Object({ a: Type.String() }), {}], [Type.Object({ a: Type.String() }), undefined],
    [Type.Union([Type.Object({ k: Type.Literal('a') }), Type.Object({ k: Type.Literal('b') })]), { k: 'c' }],
    [{ $ref: 'node#' }, cycle], [Anything, 1n], [Type.Array(Anything), [cycle]]
  ]
  const caught = new Journal<string>()
  const { port } = await startViews(t, async ws => {
    ws.addSchema(NodeSchema)
    for (const [i, [replySchema, value]] of values.entries()) {
      for (const checkReplies of [true, false]) {
        ws.wsView(`/${i}/${checkReplies}`, {
          name: `${i}${checkReplies}`,
          replySchema,
          checkReplies,
          onOpen (socket) {
            try {
              socket.send(value)
              caught.add('sent')
            } catch (error) {
              caught.add((error as { code: string }).code)
            }
          }
        })
      }
    }
  })
  for (const [i] of values.entries()) {
    for (const checkReplies of [true, false]) {
      const client = await rawClient(port, `/ws/${i}/${checkReplies}`, { t })
      const code = (await caught.until(2 * i + (checkReplies ? 1 : 2))).at(-1)
      if (checkReplies && (i === 0 || i === 2)) t.equal(code, 'WSV_ERR_REPLY_INVALID', String(i))
      else t.equal(code, 'WSV_ERR_NOT_SERIALIZABLE', `${i}, checkReplies ${checkReplies}`)
      await leave(client)
    }
  }
})

t.test('error replies: formatError, and what it may do', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/own', {
      name: 'own',
      messageSchema: Say,
      formatError: (errors, socket, { ref }) => ({ oops: Object.keys(errors), ref: ref ?? 'none', id: socket.id.length > 0 }),
      onMessage () {}
    })
    ws.wsView('/silent', { name: 'silent', messageSchema: Say, formatError: () => undefined, replySchema: Said, onMessage: (socket, message) => message })
    ws.wsView('/throws', { name: 'throws', messageSchema: Say, formatError () { throw new Error('bug') }, onMessage () {} })
    ws.wsView('/cycle', { name: 'cycle', messageSchema: Say, formatError (errors) { return Object.assign(errors, { errors }) as unknown }, onMessage () {} })
    ws.wsView('/locale', { name: 'locale', messageSchema: Say, locale () { throw new Error('bug') }, onMessage () {} })
    ws.wsView('/iterated', { name: 'iterated', messageSchema: Say, formatError () { throw new Error('bug') } }, async socket => {
      for await (const message of socket) t.fail(message.text)
    })
  })
  const own = await rawClient(port, '/ws/own', { t })
  t.same(await ask(own, { ref: 1 }), { oops: ['text'], ref: 1, id: true })
  t.same(await ask(own, 'x'), { oops: ['__all__'], ref: 'none', id: true })
  await leave(own)
  const silent = await rawClient(port, '/ws/silent', { t })
  silent.send('{}')
  t.same(await ask(silent, { text: 'after' }), { text: 'after' })
  await leave(silent)
  for (const name of ['throws', 'cycle', 'locale', 'iterated']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    client.send('{}')
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' }, name)
    t.equal(client.reader.messages.length, 0)
  }
})

t.test('onInvalid', async t => {
  const calls = new Journal<{ errors: FormErrors, ref: unknown, raw: unknown, id: string }>()
  const answered = deferred()
  const { app, port } = await startViews(t, async ws => {
    const common = { messageSchema: Say, replySchema: Said, onMessage: (socket: unknown, message: { text: string }) => message }
    ws.wsView('/close', { name: 'close', ...common, onInvalid: 'close' })
    ws.wsView('/ignore', { name: 'ignore', ...common, onInvalid: 'ignore', maxInvalid: { count: 3, perMs: 60_000 } })
    ws.wsView('/sync', { name: 'sync', ...common, onInvalid (socket, errors, { ref, raw }) { calls.add({ errors, ref, raw, id: socket.id }) }, maxInvalid: { count: 2, perMs: 60_000 } })
    ws.wsView('/async', { name: 'async', ...common, async onInvalid (socket) { await answered.promise; socket.send({ text: 'I waited' }) } })
    ws.wsView('/throws', { name: 'throws', ...common, onInvalid () { throw new Error('bug') } })
    ws.wsView('/rejects', { name: 'rejects', ...common, async onInvalid () { throw new Error('bug') } })
    ws.wsView('/refuses', { name: 'refuses', ...common, onInvalid () { throw new ValidationError('Not like this.') } })
  })

  const close = await rawClient(port, '/ws/close', { t })
  t.same(await ask(close, { text: 'good' }), { text: 'good' })
  close.send('{}')
  close.send('{"text":"after"}')
  t.same(await closedBy(close), { code: 1008, reason: 'invalid' })
  t.equal(close.reader.messages.length, 1)

  const ignore = await rawClient(port, '/ws/ignore', { t })
  for (let i = 0; i < 3; i++) ignore.send('{}')
  t.same(await ask(ignore, { text: 'good' }), { text: 'good' })
  ignore.send('{}')
  t.same(await closedBy(ignore), { code: 1008, reason: 'too_many_invalid' }, 'ignored ones count too')

  const sync = await rawClient(port, '/ws/sync', { t })
  const { id } = [...app.wsSockets].find(socket => socket.request.url === '/ws/sync')!
  sync.send('{"ref":3,"text":""}')
  sync.send('not JSON')
  t.match(await calls.until(2), [
    { errors: { text: [{ code: 'required' }] }, ref: 3, raw: { text: '' }, id },
    { errors: { __all__: [{ code: 'invalid' }] }, ref: undefined, raw: 'not JSON', id }
  ])
  t.same(await ask(sync, { text: 'good' }), { text: 'good' })
  sync.send('{}')
  t.same(await closedBy(sync), { code: 1008, reason: 'too_many_invalid' })
  t.equal(calls.entries.length, 2, 'the one too many is not handed on')

  const waits = await rawClient(port, '/ws/async', { t })
  waits.send('{}')
  waits.send('{"text":"next"}')
  waits.ping()
  await waits.nextPong()
  t.equal(waits.reader.messages.length, 0, 'the next message waits')
  answered.resolve()
  t.equal((await waits.next()).data, '{"text":"I waited"}')
  t.equal((await waits.next()).data, '{"text":"next"}')
  await leave(waits)

  for (const name of ['throws', 'rejects']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    client.send('{}')
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' }, name)
  }
  const refuses = await rawClient(port, '/ws/refuses', { t })
  t.match(await ask(refuses, { ref: 1 }), { type: 'error', ref: 1, errors: { __all__: [{ message: 'Not like this.' }] } })
  await leave(refuses)
})

t.test('maxInvalid: one more than count within perMs closes with 1008, without a reply', async t => {
  const handled = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    const common = { messageSchema: Say, replySchema: Said, onMessage (socket: unknown, message: { text: string }) { handled.add(message.text); return message } }
    ws.wsView('/three', { name: 'three', ...common, maxInvalid: { count: 3, perMs: 60_000 } })
    ws.wsView('/none', { name: 'none', ...common, maxInvalid: { count: 0, perMs: 60_000 } })
    ws.wsView('/brief', { name: 'brief', ...common, maxInvalid: { count: 1, perMs: 2 } })
    ws.wsView('/default', { name: 'default', ...common })
  })
  const three = await rawClient(port, '/ws/three', { t })
  for (const message of ['{}', 'x', '{"text":""}']) t.equal((await ask(three, message)).type, 'error')
  t.same(await ask(three, { text: 'good' }), { text: 'good' }, 'good ones do not count')
  three.send('{}')
  three.send('{"text":"after"}')
  t.same(await closedBy(three), { code: 1008, reason: 'too_many_invalid' })
  t.equal(three.reader.messages.length, 4)
  t.same(handled.entries, ['good'])

  const none = await rawClient(port, '/ws/none', { t })
  none.send('{}')
  t.same(await closedBy(none), { code: 1008, reason: 'too_many_invalid' })
  t.equal(none.reader.messages.length, 0)

  const byDefault = await rawClient(port, '/ws/default', { t })
  for (let i = 0; i < 20; i++) t.equal((await ask(byDefault, '{}')).type, 'error')
  byDefault.send('{}')
  t.same(await closedBy(byDefault), { code: 1008, reason: 'too_many_invalid' })

  // the window ends: what came before is forgotten
  const brief = await rawClient(port, '/ws/brief', { t })
  for (let i = 0; i < 3; i++) {
    t.equal((await ask(brief, '{}')).type, 'error')
    for (const began = performance.now(); performance.now() - began < 5;) await ask(brief, { text: 'good' })
  }
  await leave(brief)
})

t.test('a handler that throws: logged once with the socket\'s id, 1011, nothing about it to the client', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const ids: string[] = []
  const views: WsViews = async ws => {
    for (const kind of ['sync', 'async', 'nothing']) {
      ws.wsView(`/${kind}`, {
        name: kind,
        messageSchema: Anything,
        onOpen (socket) { ids.push(socket.id) },
        onMessage (): Promise<void> {
          // eslint-disable-next-line no-throw-literal
          if (kind === 'nothing') throw undefined
          if (kind === 'sync') throw new Error('secret')
          return Promise.reject(new Error('secret'))
        }
      })
    }
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  for (const [i, kind] of ['sync', 'async', 'nothing'].entries()) {
    const client = await rawClient(port, `/ws/${kind}`, { t })
    for (let n = 0; n < 3; n++) client.send('1')
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' })
    t.equal(client.reader.messages.length, 0)
    const lines = await log.lines.until(i + 1)
    t.equal(lines.length, i + 1)
    t.match(lines[i], { level: 50, ws: { id: ids[i], view: kind } })
    if (kind !== 'nothing') t.match(lines[i]!.err, { message: 'secret' })
  }
})

t.test('onHandlerError', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const calls = new Journal<unknown>()
  const bug = new Error('a bug in onHandlerError')
  const views: WsViews = async ws => {
    const common = {
      messageSchema: Anything,
      replySchema: Anything,
      onMessage (socket: unknown, message: unknown) { if (message === 'bad') throw new Error('bad'); return message }
    }
    const answer = (socket: WsSocket) => { socket.send('answered') }
    ws.wsView('/true', { name: 'true', ...common, onHandlerError (error, socket) { calls.add((error as Error).message); answer(socket); return true } })
    ws.wsView('/async', { name: 'async', ...common, async onHandlerError (error, socket) { calls.add((error as Error).message); answer(socket); return true } })
    ws.wsView('/false', { name: 'false', ...common, onHandlerError (error, socket) { calls.add((error as Error).message); answer(socket); return false } })
    ws.wsView('/nothing', { name: 'nothing', ...common, async onHandlerError (error) { calls.add((error as Error).message) } })
    ws.wsView('/closes', { name: 'closes', ...common, onHandlerError (error, socket) { calls.add((error as Error).message); socket.close(4000, 'mine'); return true } })
    ws.wsView('/throws', { name: 'throws', ...common, onHandlerError () { throw bug } })
    ws.wsView('/rejects', { name: 'rejects', ...common, async onHandlerError () { throw bug } })
    ws.wsView('/open', { name: 'open', onOpen () { throw new Error('open') }, onHandlerError (error, socket) { calls.add((error as Error).message); answer(socket); return true } })
    ws.wsView('/own', { name: 'own', onHandlerError (error, socket) { calls.add((error as Error).message); answer(socket); return true } }, () => { throw new Error('own') })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  for (const name of ['true', 'async']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    t.equal(await ask(client, '"bad"'), 'answered', name)
    t.equal(await ask(client, '"good"'), 'good', 'the socket goes on')
    await leave(client)
  }
  t.same(calls.entries.splice(0), ['bad', 'bad'])
  t.same(log.lines.entries, [], 'what is answered is not logged')
  for (const [name, ...expected] of [['false', 1011, 'internal_error'], ['nothing', 1011, 'internal_error'], ['closes', 4000, 'mine']] as const) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    client.send('"bad"')
    t.same(await closedBy(client), { code: expected[0], reason: expected[1] }, name)
    t.equal(client.reader.messages.length, name === 'false' ? 1 : 0)
  }
  t.same(calls.entries.splice(0), ['bad', 'bad', 'bad'])
  t.equal(log.lines.entries.splice(0).length, 2)
  for (const name of ['throws', 'rejects']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    client.send('"bad"')
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' }, name)
    t.same(log.lines.entries.splice(0).map(line => line.err?.message), ['bad', bug.message], 'neither error is lost')
  }
  const open = await rawClient(port, '/ws/open', { t })
  t.equal((await open.next()).data, '"answered"')
  await leave(open)
  const own = await rawClient(port, '/ws/own', { t })
  t.equal((await own.next()).data, '"answered"')
  t.same(await closedBy(own), { code: 1011, reason: 'internal_error' }, 'an owning handler that threw is over, answered or not')
  t.same(calls.entries, ['open', 'own'])
})

t.test('ValidationError of a handler or of preMessage is an error reply', async t => {
  const handled = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    const refuse = (kind: unknown): unknown => {
      if (kind === 'text') throw new ValidationError('At least {min} seats.', { code: 'too_small', params: { min: 2 } })
      if (kind === 'fields') throw new ValidationError({ a: ['One.', 'Two.'], __all__: 'All.' })
      if (kind === 'async') return Promise.reject(new ValidationError('Later.'))
    }
    const Kind = Type.Object({ kind: Type.String() })
    ws.wsView('/handler', { name: 'handler', messageSchema: Kind, replySchema: Said, onMessage (socket, { kind }) { return (refuse(kind) ?? { text: 'good' }) as { text: string } } })
    ws.wsView('/preMessage', {
      name: 'preMessage',
      messageSchema: Kind,
      replySchema: Said,
      preMessage (socket, { kind }) { return refuse(kind) as Promise<void> },
      onMessage (socket, { kind }) { handled.add(kind); return { text: 'good' } }
    })
    ws.wsView('/open', { name: 'open', onOpen () { throw new ValidationError('Not now.') } })
    ws.wsView('/own', { name: 'own', messageSchema: Kind }, async socket => {
      for await (const { kind } of socket) await refuse(kind)
    })
  })
  for (const name of ['handler', 'preMessage']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    t.same(await ask(client, { kind: 'text', ref: 1 }), {
      type: 'error', ref: 1, errors: { __all__: [{ message: 'At least 2 seats.', code: 'too_small', params: { min: 2 } }] }
    }, name)
    t.same(await ask(client, { kind: 'fields' }), {
      type: 'error', errors: { a: [{ message: 'One.', code: 'invalid' }, { message: 'Two.', code: 'invalid' }], __all__: [{ message: 'All.', code: 'invalid' }] }
    })
    t.match(await ask(client, { kind: 'async', ref: '2' }), { ref: '2', errors: { __all__: [{ message: 'Later.' }] } })
    t.same(await ask(client, { kind: 'good' }), { text: 'good' })
    await leave(client)
  }
  t.same(handled.entries, ['good'], 'what preMessage refuses is not handled')
  const open = await rawClient(port, '/ws/open', { t })
  t.match(JSON.parse(String((await open.next()).data)), { type: 'error', errors: { __all__: [{ message: 'Not now.' }] } })
  await leave(open)
  const own = await rawClient(port, '/ws/own', { t })
  t.match(await ask(own, { kind: 'text' }), { type: 'error', errors: { __all__: [{ code: 'too_small' }] } })
  t.same(await closedBy(own), { code: 1011, reason: 'internal_error' })
})

t.test('a fan-out that is away is the error `unavailable`, not the end of the socket', async t => {
  const log = logger('error')
  const app = buildApp(t, { logger: log.options })
  const views: WsViews = async ws => {
    ws.wsView('/chat', { name: 'chat', messageSchema: Anything, onMessage () { throw new errors.WSV_ERR_FANOUT_UNAVAILABLE() } })
    ws.wsView('/own', { name: 'own' }, async () => { throw new errors.WSV_ERR_FANOUT_UNAVAILABLE() })
  }
  await app.register(wsViews, { prefix: '/ws', views })
  const port = await listen(app)
  const client = await rawClient(port, '/ws/chat', { t })
  for (const ref of [1, 2]) t.match(await ask(client, { ref }), { type: 'error', ref, errors: { __all__: [{ code: 'unavailable' }] } })
  await leave(client)
  const own = await rawClient(port, '/ws/own', { t })
  t.match(JSON.parse(String((await own.next()).data)), { errors: { __all__: [{ code: 'unavailable' }] } })
  t.match(await closedBy(own), { code: 1011 }, 'a client comes again after 1011')
  t.same(log.lines.entries, [])
})

t.test('a form step that breaks is the view\'s failure', async t => {
  const { port } = await startViews(t, async ws => {
    const common = { messageSchema: Say, onMessage () { t.fail('handled') } }
    ws.wsView('/sync', { name: 'sync', ...common, clean () { throw new TypeError('bug') } })
    ws.wsView('/async', { name: 'async', ...common, async clean () { throw new TypeError('bug') } })
    ws.wsView('/preMessage', { name: 'preMessage', ...common, preMessage () { throw new TypeError('bug') } })
    ws.wsView('/own', { name: 'own', messageSchema: Say, async clean () { throw new TypeError('bug') } }, async socket => {
      for await (const message of socket) t.fail(message.text)
    })
  })
  for (const name of ['sync', 'async', 'preMessage', 'own']) {
    const client = await rawClient(port, `/ws/${name}`, { t })
    client.send('{"text":"a"}')
    t.same(await closedBy(client), { code: 1011, reason: 'internal_error' }, name)
  }
})

t.test('a form step that closes the socket: nothing is handled', async t => {
  const handled = new Journal<unknown>()
  const { port } = await startViews(t, async ws => {
    for (const kind of ['sync', 'async'] as const) {
      const clean = (message: unknown, form: { socket: WsSocket | undefined }): void | Promise<void> => {
        form.socket!.close(4001, 'banned')
        if (kind === 'async') return Promise.resolve()
      }
      ws.wsView(`/${kind}`, { name: kind, messageSchema: Say, clean, onMessage (socket, message) { handled.add(message) } })
      ws.wsView(`/own/${kind}`, { name: `own ${kind}`, messageSchema: Say, clean }, async socket => {
        for await (const message of socket) handled.add(message)
      })
    }
  })
  for (const path of ['sync', 'async', 'own/sync', 'own/async']) {
    const client = await rawClient(port, `/ws/${path}`, { t })
    client.send('{"text":"a"}')
    t.same(await closedBy(client), { code: 4001, reason: 'banned' }, path)
  }
  t.same(handled.entries, [])
})

const refused: [label: string, text: string][] = [
  ['nothing', ''], ['blanks', '  '], ['half an object', '{"text":"a"'], ['two values', '{"text":"a"}{"text":"b"}'], ['a trailing comma', '{"text":"a",}'],
  ['single quotes', "{'text':'a'}"], ['NaN', '{"text":NaN}'], ['a control character', '{"text":"a\u0001"}'],
  ['__proto__', '{"__proto__":{"isAdmin":true},"text":"a"}'], ['__proto__, deeper', '{"text":"a","b":[{"__proto__":1}]}'],
  ['__proto__, escaped', '{"\\u005f_proto__":{},"text":"a"}'], ['constructor.prototype', '{"constructor":{"prototype":{"x":1}},"text":"a"}'],
  ['33 levels of arrays', '{"text":"a","b":' + '['.repeat(32) + ']'.repeat(32) + '}'], ['33 levels of objects', '{"text":"a","b":' + '{"a":'.repeat(31) + '{}' + '}'.repeat(31) + '}'],
  ['thousands of levels', '['.repeat(30_000)], ['thousands of levels, closed', '{"text":"a","b":' + '['.repeat(30_000) + ']'.repeat(30_000) + '}'],
  ['a number', '5'], ['a string', '"text"'], ['null', 'null'], ['an array', '[{"text":"a"}]']
]

t.test('messages that are refused before the form: an error on __all__, and the socket stays', async t => {
  for (const mode of ['form', 'strict'] as const) {
    t.test(mode, async t => {
      const { port } = await startViews(t, async ws => {
        ws.wsView('/say', {
          name: 'say', form: mode, maxInvalid: { count: 100, perMs: 60_000 }, messageSchema: Say, replySchema: Said, onMessage: (socket, message) => message
        })
      })
      const client = await rawClient(port, '/ws/say', { t })
      for (const [label, text] of refused) {
        const reply = await ask(client, text)
        t.match(reply, { type: 'error', errors: { __all__: [{ code: 'invalid' }] } }, label)
        t.same(Object.keys(reply), ['type', 'errors'], label)
      }
      t.same(await ask(client, '{"text":"a","b":' + '['.repeat(31) + ']'.repeat(31) + '}'), { text: 'a' }, '32 levels are fine')
      t.same(await ask(client, '{"constructor":1,"prototype":2,"toString":3,"hasOwnProperty":4,"text":"a"}'), { text: 'a' }, 'names of Object.prototype are names')
      t.equal(({} as { isAdmin?: boolean }).isAdmin, undefined)
      const keys = JSON.stringify(Object.fromEntries(Array.from({ length: 4_000 }, (_, i) => [`key${i}`, i])))
      t.same(await ask(client, keys.replace('{', '{"text":"a",')), { text: 'a' }, 'thousands of keys')
      const wide = `{"text":"a","list":[${'{},'.repeat(15_000)}{}]}`
      t.same(await ask(client, wide), { text: 'a' }, 'thousands of items')
      await leave(client)
    })
  }
})

t.test('maxDepth is the view\'s own, and holds where anything is taken', async t => {
  const { port } = await startViews(t, async ws => {
    ws.wsView('/two', { name: 'two', maxDepth: 2, messageSchema: Anything, replySchema: Anything, onMessage: (socket, message) => message })
  })
  const client = await rawClient(port, '/ws/two', { t })
  t.same(await ask(client, '[[]]'), [[]])
  t.same(await ask(client, '{"a":{}}'), { a: {} })
  t.match(await ask(client, '[[[]]]'), { errors: { __all__: [{ code: 'invalid' }] } })
  t.match(await ask(client, '[{"a":[]}]'), { errors: { __all__: [{ code: 'invalid' }] } })
  t.match(await ask(client, '{"__proto__":1}'), { errors: { __all__: [{ code: 'invalid' }] } })
  await leave(client)
})
