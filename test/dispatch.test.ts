import t from 'tap'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import wsViews, { ValidationError } from '../lib/index.ts'
import { wsConnect, type WsTestClient } from '../lib/testing/index.ts'
import { buildApp, startViews as start } from './fixtures/server.ts'

/** A closing handshake that does not come to its end fails the test: nobody cuts it short. */
const startViews: typeof start = (t, views, options) => start(t, views, { closeTimeoutMs: 600_000, ...options })

const Say = Type.Object({ type: Type.Literal('say'), text: Type.String() })
const Join = Type.Object({ type: Type.Literal('join'), room: Type.Integer() })
const Anything = Type.Unknown()

async function ask (client: WsTestClient, message: unknown): Promise<unknown> {
  client.send(message)
  return await client.next()
}

t.test('each message goes to the handler of its tag, and to no other', async t => {
  const { app } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Type.Union([Say, Join]),
      replySchema: Anything,
      onMessage: {
        say (socket, message) { return { said: message.text, isInstance: this === ws } },
        async join (socket, message) { return { joined: message.room + 1, isInstance: this === ws } }
      }
    })
  })
  const client = await wsConnect(app, '/ws/v')
  t.same(await ask(client, { type: 'say', text: 'hi', room: 5, ref: 1 }), { ref: 1, said: 'hi', isInstance: true })
  t.same(await ask(client, { type: 'join', room: '5' }), { joined: 6, isInstance: true }, 'cleaned by its branch')
  t.match(await ask(client, { type: 'join', room: 'x', text: '' }), { errors: { room: [{ code: 'invalid' }] } }, 'the errors of its branch alone')
  t.match(await ask(client, { type: 'leave' }), { errors: { type: [{ code: 'invalid_choice' }] } })
  t.match(await ask(client, { text: 'hi' }), { errors: { type: [{ code: 'required' }] } })
  for (const type of ['toString', '__proto__', 'constructor', 'hasOwnProperty', '', 5, null, ['say'], { a: 1 }]) {
    t.match(await ask(client, { type, text: 'hi' }), { type: 'error', errors: { type: Array } }, `no handler is found for ${JSON.stringify(type)}`)
  }
  await client.close(1000)
})

t.test('tags that are numbers and booleans, tags with other names, branches behind a $ref', async t => {
  const { app } = await startViews(t, async ws => {
    ws.addSchema({ $id: 'Say', type: 'object', properties: { op: { const: 'say' }, text: { type: 'string' } }, required: ['op', 'text'] })
    ws.addSchema({ $id: 'tags', definitions: { join: { const: 'join' } } })
    const replySchema = Anything
    ws.wsView('/numbers', {
      name: 'numbers',
      messageSchema: Type.Union([Type.Object({ op: Type.Literal(1) }), Type.Object({ op: Type.Literal(2) }), Type.Object({ op: Type.Literal(true) })]),
      replySchema,
      onMessage: { 1: () => 'one', 2: () => 'two', true: () => 'yes' }
    })
    ws.wsView('/refs', {
      name: 'refs',
      messageSchema: {
        oneOf: [
          { $ref: 'Say#' },
          { type: 'object', properties: { op: { $ref: 'tags#/definitions/join' } }, required: ['op'] },
          { $ref: '#/definitions/leave' }
        ],
        definitions: { leave: { type: 'object', properties: { op: { const: 'leave' } }, required: ['op'] } }
      },
      replySchema,
      onMessage: { say: () => 'said', join: () => 'joined', leave: () => 'left' }
    })
    ws.wsView('/second', {
      name: 'second',
      // `v` is the same in both: no tag
      messageSchema: Type.Union([Type.Object({ v: Type.Literal(1), kind: Type.Literal('a') }), Type.Object({ v: Type.Literal(1), kind: Type.Literal('b') })]),
      replySchema,
      onMessage: { a: () => 'A', b: () => 'B' }
    })
    ws.wsView('/strict', {
      name: 'strict',
      form: 'strict',
      messageSchema: Type.Union([Say, Join]),
      replySchema,
      onMessage: { say: () => 'said', join: () => 'joined' }
    })
  })
  const cases: [path: string, message: unknown, reply: unknown][] = [
    ['numbers', { op: 1 }, 'one'], ['numbers', { op: 2 }, 'two'], ['numbers', { op: true }, 'yes'],
    ['refs', { op: 'say', text: 'a' }, 'said'], ['refs', { op: 'join' }, 'joined'], ['refs', { op: 'leave' }, 'left'],
    ['second', { v: 1, kind: 'b' }, 'B'], ['second', { v: 1, kind: 'a' }, 'A'],
    ['strict', { type: 'join', room: 1 }, 'joined'], ['strict', { type: 'say', text: 'a' }, 'said']
  ]
  for (const [path, message, reply] of cases) {
    const client = await wsConnect(app, `/ws/${path}`)
    t.equal(await ask(client, message), reply, `${path}: ${JSON.stringify(message)}`)
    await client.close(1000)
  }
})

t.test('handlers of a table fail as any handler', async t => {
  const { app } = await startViews(t, async ws => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Type.Union([Say, Join]),
      onMessage: {
        say () { throw new ValidationError('Not now.') },
        join () { throw new Error('bug') }
      }
    })
  })
  const client = await wsConnect(app, '/ws/v')
  t.match(await ask(client, { type: 'say', text: 'hi' }), { errors: { __all__: [{ message: 'Not now.' }] } })
  client.send({ type: 'join', room: 1 })
  t.same(await client.closed, { code: 1011, reason: 'internal_error' })
})

const nothing = () => {}
const refused: [label: string, options: Record<string, unknown>, message: RegExp][] = [
  ['a tag without a handler', { messageSchema: Type.Union([Say, Join]), onMessage: { say: nothing } }, /'chat'.*no handler for type join/],
  ['a handler without a tag', { messageSchema: Type.Union([Say, Join]), onMessage: { say: nothing, join: nothing, leave: nothing, go: nothing } }, /'chat'.*leave, go.*no type/],
  ['a handler that the table only inherits', { messageSchema: Type.Union([Say, Type.Object({ type: Type.Literal('toString') })]), onMessage: { say: nothing } }, /'chat'.*no handler for type toString/],
  ['a schema that is no union', { messageSchema: Say, onMessage: { say: nothing } }, /'chat'.*union/],
  ['a union without a tag', { messageSchema: Type.Union([Type.Object({ a: Type.String() }), Type.Object({ b: Type.String() })]), onMessage: { a: nothing } }, /'chat'.*union/],
  ['a union with the same tag twice', { messageSchema: Type.Union([Say, Say]), onMessage: { say: nothing } }, /'chat'.*union/],
  ['a branch without the tag', { messageSchema: Type.Union([Say, Type.Object({ text: Type.String() })]), onMessage: { say: nothing } }, /'chat'.*union/],
  ['a schema that takes anything', { messageSchema: Anything, onMessage: { say: nothing } }, /'\/chat'.*onMessage/],
  ['no schema', { frames: 'text', onMessage: { say: nothing } }, /'\/chat'.*onMessage/],
  ['an empty table', { messageSchema: Type.Union([Say, Join]), onMessage: {} }, /'\/chat'.*onMessage/],
  ['a table with something else in it', { messageSchema: Type.Union([Say, Join]), onMessage: { say: nothing, join: 'text' } }, /'\/chat'.*onMessage/]
]

t.test('refused when the server gets ready, with the name of the view', async t => {
  for (const [label, options, message] of refused) {
    const app = buildApp(t)
    await t.rejects((async () => {
      await app.register(wsViews, {
        views: async (ws: FastifyInstance) => { (ws.wsView as (...args: unknown[]) => unknown)('/chat', { name: 'chat', ...options }) }
      })
      await app.ready()
    })(), { message }, label)
  }
})
