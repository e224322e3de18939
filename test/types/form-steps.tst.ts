import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'
import type { FieldName, FormOptions, WsForm, WsSocket } from '../../lib/types.ts'

declare const ws: FastifyInstance

const Order = Type.Object({
  room: Type.String(),
  seats: Type.Integer(),
  note: Type.Optional(Type.String()),
  extras: Type.Optional(Type.Array(Type.String()))
})
interface Cleaned { room: string, seats: number, note?: string, extras?: string[] }

test('the steps are typed by their field', () => {
  ws.wsView('/order', {
    name: 'order',
    messageSchema: Order,
    choices: {
      room: (form) => {
        expect(form.socket).type.toBe<WsSocket | undefined>()
        return ['hall', 'foyer']
      },
      async extras () { return ['lunch'] }
    },
    validators: {
      seats: [
        (value, form) => {
          expect(value).type.toBe<number>()
          if (value > 8) form.addError('seats', 'Too many.')
        }
      ],
      note: [(value) => { expect(value).type.toBe<string>() }]
    },
    cleanFields: {
      room: (value) => value.toUpperCase(),
      async note (value) {
        expect(value).type.toBe<string | undefined>()
        return value
      }
    },
    clean (message, form) {
      expect(message.room).type.toBe<string | undefined>()
      if (form.hasError('room')) form.addError(null, 'No.')
      return { ...message, seats: 1 }
    },
    errorMessages: {
      room: { required: 'Which room?' },
      'extras.title': { required: 'A title, please.' },
      __all__: { invalid: 'No.' }
    },
    onMessage () {}
  })
})

test('a step for a field that the schema does not have is an error that names it', () => {
  expect(ws.wsView('/order', { name: 'order', messageSchema: Order, validators: { rom: [] }, onMessage () {} }))
    .type.toRaiseError("'rom' does not exist in type")
  expect(ws.wsView('/order', { name: 'order', messageSchema: Order, cleanFields: { rom: () => '' }, onMessage () {} }))
    .type.toRaiseError("'rom' does not exist in type")
  expect(ws.wsView('/order', { name: 'order', messageSchema: Order, choices: { rom: () => [] }, onMessage () {} }))
    .type.toRaiseError("'rom' does not exist in type")
  expect(ws.wsView('/order', { name: 'order', messageSchema: Order, errorMessages: { rom: {} }, onMessage () {} }))
    .type.toRaiseError("'rom' does not exist in type")
})

test('a step gives a value of its field back', () => {
  expect(ws.wsView('/order', { name: 'order', messageSchema: Order, cleanFields: { seats: () => 'two' }, onMessage () {} }))
    .type.toRaiseError("Type 'string' is not assignable to type 'number | Promise<number>'")
  expect(ws.wsView('/order', { name: 'order', messageSchema: Order, choices: { seats: () => ['1'] }, onMessage () {} }))
    .type.toRaiseError("Type 'string' is not assignable to type 'number'")
})

test('a union has the fields of all its branches', () => {
  const Command = Type.Union([
    Type.Object({ type: Type.Literal('say'), text: Type.String() }),
    Type.Object({ type: Type.Literal('leave'), why: Type.Integer() })
  ])
  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Command,
    validators: {
      text: [(value) => { expect(value).type.toBe<string>() }],
      why: [(value) => { expect(value).type.toBe<number>() }]
    },
    clean (message) { if (message.type === 'say') expect(message.text).type.toBe<string | undefined>() },
    onMessage () {}
  })
  expect<FieldName<{ a: 1 } | { b: 1 }>>().type.toBe<'a' | 'b'>()
})

test('where the schema has no type, any field may have steps', () => {
  ws.wsView('/plain', {
    name: 'plain',
    messageSchema: { type: 'object' },
    validators: { anything: [(value) => { expect(value).type.toBe<{}>() }] },
    cleanFields: { anything: (value) => value },
    onMessage () {}
  })
})

test('a validator can be shared', () => {
  const noShouting = (value: string, form: WsForm): void => { if (value === value.toUpperCase()) form.addError('room', 'Not so loud.') }
  ws.wsView('/order', { name: 'order', messageSchema: Order, validators: { room: [noShouting], note: [noShouting] }, onMessage () {} })
})

test('the form knows its fields', () => {
  const form = {} as WsForm<FieldName<Cleaned>>
  expect(form.changed({ room: 'hall' })).type.toBe<('room' | 'seats' | 'note' | 'extras')[]>()
  expect(form.addError).type.toBeCallableWith('extras.0', 'No.')
  expect(form.addError).type.toBeCallableWith(null, 'No.')
  expect(form.addError).type.not.toBeCallableWith('rom', 'No.')
})

test('cleanMessage takes the same steps', () => {
  expect<FormOptions<typeof Order>>().type.toBeAssignableFrom({ cleanFields: { room: (value: string) => value.trim() } })
  expect<FormOptions<typeof Order>>().type.not.toBeAssignableFrom({ cleanFields: { room: (value: number) => value } })
})
