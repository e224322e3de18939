import { Type } from '@sinclair/typebox'
import t from 'tap'
import { ValidationError } from '../lib/index.ts'
import { wsConnect, type WsTestClient } from '../lib/testing/index.ts'
import { codesOf, formCases, withoutEmpty } from './fixtures/form-cases.ts'
import { startViews } from './fixtures/server.ts'
import { Journal, deferred } from './fixtures/waiting.ts'

const Any = Type.Unknown()
/** what a handler was handed, sent back */
const echo = { replySchema: Any, onMessage: (_socket: unknown, message: unknown) => ({ cleaned: message }) }

async function ask (client: WsTestClient, message: unknown): Promise<any> {
  client.sendRaw(typeof message === 'string' ? message : JSON.stringify(message))
  return await client.next()
}

t.test('the cases, through sockets of one server', async (t) => {
  const { app } = await startViews(t, async (ws) => {
    for (const { id, schema } of formCases) ws.wsView(`/${id}`, { name: id, messageSchema: schema, ...echo })
  })
  t.equal(formCases.length, 88)
  for (const { id, input, expect } of formCases) {
    const client = await wsConnect(app, `/ws/${id}`)
    const { cleaned, errors } = await ask(client, input)
    if (expect.ok) t.strictSame({ errors, cleaned: withoutEmpty(cleaned) }, { errors: undefined, cleaned: withoutEmpty(expect.cleaned) }, id)
    else t.strictSame(errors && codesOf(errors), Object.fromEntries(Object.entries(expect.fields).map(([path, codes]) => [path, [...codes].sort()])), id)
    await client.terminate()
  }
})

const Order = Type.Object({ item: Type.String(), count: Type.Integer({ minimum: 1 }), gift: Type.Optional(Type.String()) })

for (const way of ['sync', 'async'] as const) {
  /** a step that takes a turn, or one that does not */
  const step = <Value>(value: Value): Value => way === 'sync' ? value : Promise.resolve(value) as Value

  t.test(`steps run in Django's order, before preMessage and the handler (${way})`, async (t) => {
    const order: string[] = []
    const { app } = await startViews(t, async (ws) => {
      ws.wsView('/order', {
        name: 'order',
        messageSchema: Order,
        replySchema: Any,
        choices: {
          item: () => { order.push('choices item'); return step(['tea', 'cup']) },
          gift: () => { order.push('choices gift'); return step(['ribbon']) }
        },
        validators: {
          item: [(value) => { order.push(`validate ${value}`); return step(undefined) as undefined }],
          count: [(value) => { order.push(`validate ${value}`) }, (value) => { if (value > 10) throw new ValidationError('Too many.', { code: 'many' }) }]
        },
        cleanFields: {
          count: (value) => { order.push(`cleanFields ${value}`); return step(value + 1) },
          gift: (value) => { order.push(`cleanFields ${value}`); return step(value) }
        },
        clean: (message, form) => {
          order.push(`clean ${Object.keys(message).join()}`)
          if (message.item === 'cup' && message.count === 2) form.addError('count', 'Not one cup.', { code: 'lonely' })
          return step(undefined) as undefined
        },
        preMessage: (socket, message) => { order.push(`preMessage ${message.count}`); return step(undefined) as undefined },
        onMessage: (socket, message) => { order.push('handler'); return message }
      })
    })
    const client = await wsConnect(app, '/ws/order')
    const take = () => order.splice(0)
    t.strictSame(await ask(client, { item: ' tea ', count: '2', ref: 7 }), { ref: 7, item: 'tea', count: 3 })
    t.strictSame(take(), ['choices item', 'validate tea', 'validate 2', 'cleanFields 2', 'cleanFields undefined', 'clean item,count', 'preMessage 3', 'handler'],
      'choices of a field that is not there are not asked')
    t.strictSame(codesOf((await ask(client, { item: 'pot', count: 11, gift: '' })).errors), { item: ['invalid_choice'], count: ['many'] })
    t.strictSame(take(), ['choices item', 'choices gift', 'validate 11', 'cleanFields ', 'clean gift'], 'every field is checked, clean always runs, the handler does not')
    t.strictSame(codesOf((await ask(client, { item: 'cup', count: 1 })).errors), { count: ['lonely'] })
    t.notOk(take().includes('handler'))
    t.strictSame(codesOf((await ask(client, { item: ' ', count: 0 })).errors), { item: ['required'], count: ['min_value'] })
    t.strictSame(take(), ['choices item', 'validate 0', 'cleanFields undefined', 'clean '], 'validators are not asked about what is empty')
    t.strictSame(codesOf((await ask(client, '[]')).errors), { __all__: ['invalid'] })
    t.strictSame(codesOf((await ask(client, '{')).errors), { __all__: ['invalid'] })
    t.strictSame(take(), [], 'nothing runs for what is no message')
  })

  t.test(`preMessage refuses or closes (${way})`, async (t) => {
    const { app } = await startViews(t, async (ws) => {
      ws.wsView('/v', {
        name: 'v',
        messageSchema: Order,
        ...echo,
        preMessage: way === 'sync'
          ? (socket, { count }) => {
              if (count === 2) throw new ValidationError({ count: 'Not you.' }, { code: 'forbidden' })
              if (count === 3) socket.close(4403, 'forbidden')
            }
          : async (socket, { count }) => {
            if (count === 2) throw new ValidationError({ count: 'Not you.' }, { code: 'forbidden' })
            if (count === 3) socket.close(4403, 'forbidden')
          }
      })
    })
    const client = await wsConnect(app, '/ws/v')
    t.strictSame(await ask(client, { item: 'a', count: 2, ref: 'x' }), { type: 'error', ref: 'x', errors: { count: [{ message: 'Not you.', code: 'forbidden' }] } })
    t.match(await ask(client, { item: 'a', count: 1 }), { cleaned: { count: 1 } })
    client.sendRaw('{"item":"a","count":3}')
    t.strictSame(await client.closed, { code: 4403, reason: 'forbidden' })
  })
}

t.test('messages wait for an asynchronous form, in order', async (t) => {
  const gate = deferred()
  const journal = new Journal<string>()
  const { app } = await startViews(t, async (ws) => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Order,
      ...echo,
      clean: async ({ item }) => {
        journal.add(`clean ${item}`)
        if (item === 'slow') await gate.promise
        journal.add(`cleaned ${item}`)
      }
    })
  })
  const client = await wsConnect(app, '/ws/v')
  client.sendRaw('{"item":"slow","count":1}')
  client.sendRaw('{"item":"fast","count":1}')
  await journal.until(1)
  gate.resolve()
  t.strictSame(await journal.until(4), ['clean slow', 'cleaned slow', 'clean fast', 'cleaned fast'])
  t.match(await client.next(), { cleaned: { item: 'slow' } })
  t.match(await client.next(), { cleaned: { item: 'fast' } })
})

t.test('a mistake in a step closes with 1011 and tells nothing', async (t) => {
  for (const steps of [
    { clean: () => { throw new TypeError('secret') } },
    { validators: { item: [async () => { throw new TypeError('secret') }] } },
    { cleanFields: { item: () => { throw new TypeError('secret') } } },
    { choices: { item: async () => { throw new TypeError('secret') } } },
    { choices: { item: async () => { throw new TypeError('secret') }, gift: () => { throw new TypeError('secret') } } },
    { preMessage: () => { throw new TypeError('secret') } }
  ]) {
    const { app } = await startViews(t, async (ws) => { ws.wsView('/v', { name: 'v', messageSchema: Order, ...echo, ...steps as object }) })
    const client = await wsConnect(app, '/ws/v')
    client.sendRaw('{"item":"a","count":1,"gift":"b"}')
    t.strictSame(await client.closed, { code: 1011, reason: 'internal_error' }, Object.keys(steps).join())
    await t.rejects(client.next(), { code: 'WSV_ERR_TEST_CLOSED' }, 'no error reply')
  }
})

t.test('a step that gives choices may refuse the field itself, and does not judge a default', async (t) => {
  const { app } = await startViews(t, async (ws) => {
    ws.wsView('/v', {
      name: 'v',
      messageSchema: Type.Object({ a: Type.Optional(Type.String()), b: Type.Optional(Type.String()), c: Type.String({ default: 'usual' }) }),
      ...echo,
      choices: {
        a: () => { throw new ValidationError('Closed.', { code: 'closed' }) },
        b: async () => { throw new ValidationError('Closed.', { code: 'closed' }) },
        c: () => ['special']
      }
    })
  })
  const client = await wsConnect(app, '/ws/v')
  t.strictSame(codesOf((await ask(client, { a: 'x', b: 'y' })).errors), { a: ['closed'], b: ['closed'] })
  t.strictSame(await ask(client, {}), { cleaned: { c: 'usual' } })
  t.strictSame(codesOf((await ask(client, { c: 'usual' })).errors), { c: ['invalid_choice'] })
})

t.test('texts: of the view, of a schema node, of the server, in the language of the handshake', async (t) => {
  const locales: string[] = []
  const messageSchema = Type.Object({
    a: Type.String({ errorMessages: { required: 'Node: a.' } }),
    b: Type.String({ maxLength: 2, errorMessages: { required: 'Node: b.', max_length: 'Node: at most {limit_value}.' } }),
    c: Type.String({ maxLength: 2 })
  })
  const { app } = await startViews(t, async (ws) => {
    ws.wsView('/v', { name: 'v', messageSchema, ...echo, errorMessages: { a: { required: 'View: a.' } } })
    ws.wsView('/own', { name: 'own', messageSchema, ...echo, locale: (request) => { locales.push(request.url); return 'fr' } })
  }, {
    messages: (code, params, { field, locale }) => locale === 'en' ? undefined : `${locale} ${field} ${code} ${JSON.stringify(params)}`
  })
  const texts = (errors: Record<string, { message: string }[]>) => Object.fromEntries(Object.entries(errors).map(([field, list]) => [field, list.map(({ message }) => message)]))
  const german = await wsConnect(app, '/ws/v', { headers: { 'accept-language': 'de-CH, de;q=0.9, en;q=0.5' } })
  t.strictSame(texts((await ask(german, {})).errors), { a: ['View: a.'], b: ['Node: b.'], c: ['de-CH c required {}'] })
  t.strictSame(texts((await ask(german, { a: 'x', b: 'long', c: 'long' })).errors), { b: ['Node: at most 2.'], c: ['de-CH c max_length {"limit_value":2,"show_value":4}'] })
  t.strictSame(texts((await ask(german, '{')).errors), { __all__: ['de-CH __all__ invalid {}'] })
  for (const header of [undefined, '*', '', ';q=1']) {
    const client = await wsConnect(app, '/ws/v', { headers: header === undefined ? {} : { 'accept-language': header } })
    t.strictSame(texts((await ask(client, {})).errors).c, ['This field is required.'], `Accept-Language: ${header}`)
  }
  const french = await wsConnect(app, '/ws/own', { headers: { 'accept-language': 'de' } })
  t.strictSame(texts((await ask(french, {})).errors).c, ['fr c required {}'])
  t.strictSame(texts((await ask(french, {})).errors).c, ['fr c required {}'])
  t.strictSame(locales, ['/ws/own'], 'asked once per socket')
})

t.test('nothing of the input, the schema or a stack is sent back', async (t) => {
  const secret = 'S3cr3t'
  const messageSchema = Type.Object({
    word: Type.String({ pattern: '^hidden[0-9]+$', title: secret, description: secret }),
    choice: Type.Union([Type.Literal('hiddenA'), Type.Literal('hiddenB')]),
    list: Type.Array(Type.Integer()),
    made: Type.Transform(Type.String()).Decode((text) => { throw new Error(`no ${text}`) }).Encode((text) => text),
    either: Type.Union([Type.Object({ hiddenKey: Type.Integer() }), Type.Object({ otherKey: Type.Integer() })]),
    n: Type.Integer({ const: 424242 })
  })
  const message = { word: secret, choice: secret, list: [secret], made: secret, either: { x: secret }, n: 5, [secret]: secret }
  const { app } = await startViews(t, async (ws) => {
    ws.wsView('/form', { name: 'form', messageSchema, ...echo })
    ws.wsView('/strict', { name: 'strict', form: 'strict', messageSchema: { ...messageSchema, additionalProperties: true }, ...echo })
  })
  for (const path of ['form', 'strict']) {
    const client = await wsConnect(app, `/ws/${path}`)
    for (const sent of [message, { ...message, made: 1, either: secret }, `{"word":"${secret}"`, [secret], secret]) {
      client.sendRaw(typeof sent === 'string' ? sent : JSON.stringify(sent))
      const text = JSON.stringify(await client.next())
      t.match(text, /"type":"error"/)
      t.notMatch(text, /S3cr3t|hidden|424242|node_modules|\.ts:| at /i, `${path}: ${text.slice(0, 60)}`)
    }
  }
})
