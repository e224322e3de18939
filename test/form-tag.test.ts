import { Type } from '@sinclair/typebox'
import t from 'tap'
import { compileForm } from '../lib/form/form.ts'
import { wsConnect, type WsTestClient } from '../lib/testing/index.ts'
import { anApp } from './fixtures/form-clean.ts'
import { startViews } from './fixtures/server.ts'

const branch = (type: unknown, more = {}) => ({ type: 'object', properties: { type, ...more }, required: ['type'] })
const [a, b, c] = ['a', 'b', 'c'].map((value) => Type.Object({ type: Type.Literal(value) }))
const tags: [label: string, schema: unknown, tag: unknown][] = [
  ['const', { anyOf: [a, b] }, { key: 'type', values: ['a', 'b'] }],
  ['oneOf', { oneOf: [a, b] }, { key: 'type', values: ['a', 'b'] }],
  ['an enum of one value', { anyOf: [branch({ enum: ['x'] }), a] }, { key: 'type', values: ['x', 'a'] }],
  ['an enum of several', { anyOf: [branch({ enum: ['x', 'y'] }), a] }, { key: 'type', values: ['x', 'y', 'a'] }],
  ['a union of literals', Type.Union([Type.Object({ type: Type.Union([Type.Literal('x'), Type.Literal('y')]) }), a!]), { key: 'type', values: ['x', 'y', 'a'] }],
  ['a union in a union', Type.Union([Type.Union([a!, b!]), c!]), { key: 'type', values: ['a', 'b', 'c'] }],
  ['an intersection with a union', Type.Intersect([Type.Object({ id: Type.Integer() }), Type.Union([a!, b!])]), { key: 'type', values: ['a', 'b'] }],
  ['a branch that is an intersection', Type.Union([Type.Intersect([a!, Type.Object({ n: Type.Integer() })]), b!]), { key: 'type', values: ['a', 'b'] }],
  ['a reference to a union', { $ref: '#/definitions/u', definitions: { u: { anyOf: [a, { $ref: '#/definitions/b' }] }, b } }, { key: 'type', values: ['a', 'b'] }],
  ['a tag with a transform', Type.Union([Type.Object({ type: Type.Literal('a'), d: Type.Transform(Type.String()).Decode(Number).Encode(String) }), b!]), { key: 'type', values: ['a', 'b'] }],
  ['the second property', { anyOf: [branch({ const: 'v' }, { kind: { const: 1 } }), branch({ const: 'v' }, { kind: { const: 2 } })] }, { key: 'kind', values: [1, 2] }],
  ['no union', a, undefined],
  ['a value twice', { anyOf: [a, a] }, undefined],
  ['a value that two enums share', { anyOf: [branch({ enum: ['x', 'y'] }), branch({ enum: ['y', 'z'] })] }, undefined],
  ['a value that is an object', { anyOf: [branch({ const: { a: 1 } }), a] }, undefined],
  ['anything', {}, undefined]
]

t.test('finds the tag of a union, in the form and in strict mode', (t) => {
  for (const [label, schema, tag] of tags) {
    t.strictSame(compileForm(schema, {}, anApp).tag, tag, label)
    t.strictSame(compileForm(schema, { form: 'strict' }, anApp).tag, tag, `${label}, strict`)
  }
  t.end()
})

async function ask (client: WsTestClient, message: unknown): Promise<unknown> {
  client.send(message)
  return await client.next()
}

t.test('dispatches by every sort of tag that the form knows', async (t) => {
  const { app } = await startViews(t, async (ws) => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Type.Union([
        Type.Object({ type: Type.Union([Type.Literal('x'), Type.Literal('y')]), n: Type.Integer() }),
        Type.Union([Type.Object({ type: Type.Enum({ Z: 'z' }) }), Type.Object({ type: Type.Literal(1) })])
      ]),
      replySchema: Type.Unknown(),
      onMessage: {
        x: (socket, message) => ['x', message],
        y: (socket, message) => ['y', message],
        z: () => 'z',
        1: () => 'one'
      }
    })
  })
  const client = await wsConnect(app, '/ws/v')
  t.strictSame(await ask(client, { type: 'x', n: '1' }), ['x', { type: 'x', n: 1 }])
  t.strictSame(await ask(client, { type: 'y', n: 2 }), ['y', { type: 'y', n: 2 }])
  t.strictSame(await ask(client, { type: 'z' }), 'z')
  t.strictSame(await ask(client, { type: '1' }), 'one')
  t.match(await ask(client, { type: 'q' }), { errors: { type: [{ code: 'invalid_choice' }] } })
})

t.test('a message without its tag is answered where a schema lets it pass', async (t) => {
  const { app } = await startViews(t, async (ws) => {
    ws.wsView('/v', {
      name: 'v',
      form: 'strict',
      messageSchema: { anyOf: [{ type: 'object', properties: { op: { const: 'a' } } }, { type: 'object', properties: { op: { const: 'b' } } }] },
      replySchema: Type.Unknown(),
      onMessage: { a: () => 'A', b: () => 'B' }
    })
  })
  const client = await wsConnect(app, '/ws/v')
  t.match(await ask(client, { ref: 1 }), { type: 'error', ref: 1, errors: { op: [{ code: 'required' }] } })
  t.strictSame(await ask(client, { op: 'b' }), 'B')
})
