import { Type } from '@sinclair/typebox'
import { Ajv } from 'ajv'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import wsViews, { cleanMessage, formKeywords, type WsViews } from '../lib/index.ts'
import { wsConnect, type WsTestClient } from '../lib/testing/index.ts'
import { codesOf } from './fixtures/form-cases.ts'

const echo = { replySchema: Type.Unknown(), onMessage: (_socket: unknown, message: unknown) => ({ cleaned: message }) }

async function ask (client: WsTestClient, message: unknown): Promise<any> {
  client.send(message)
  return await client.next()
}

/** An application that prepares itself, then registers the views. */
async function serve (t: Test, options: FastifyServerOptions, prepare: (app: FastifyInstance) => unknown, views: WsViews): Promise<{ app: FastifyInstance, connect: (path: string) => Promise<WsTestClient> }> {
  const app = Fastify(options)
  t.teardown(() => app.close())
  await prepare(app)
  await app.register(wsViews, { prefix: '/ws', views })
  return { app, connect: (path) => wsConnect(app, `/ws${path}`) }
}

t.test('resolves references to the shared schemas of its context', async (t) => {
  const { connect } = await serve(t, {}, (app) => {
    app.addSchema({ $id: 'place', type: 'object', properties: { city: { type: 'string', minLength: 2 }, zip: { $ref: 'codes#/definitions/zip' } }, required: ['city'] })
    app.addSchema({ $id: 'codes', definitions: { zip: { type: 'integer', maximum: 99_999 } } })
  }, async (ws) => {
    ws.addSchema({ $id: 'inner', type: 'object', properties: { n: { type: 'integer' } } })
    for (const form of ['form', 'strict'] as const) {
      ws.wsView(`/${form}`, { name: form, form, messageSchema: { type: 'object', properties: { to: { $ref: 'place#' }, n: { $ref: 'inner#/properties/n' } }, required: ['to'] }, ...echo })
      ws.wsView(`/${form}/whole`, { name: `whole-${form}`, form, messageSchema: { $ref: 'place' }, ...echo })
    }
  })
  const form = await connect('/form')
  t.strictSame(await ask(form, { to: { city: ' Bern ', zip: '3000', x: 1 }, n: '5' }), { cleaned: { to: { city: 'Bern', zip: 3000 }, n: 5 } })
  t.strictSame(codesOf((await ask(form, { to: { city: 'B', zip: 100_000 } })).errors), { 'to.city': ['min_length'], 'to.zip': ['max_value'] })
  const strict = await connect('/strict')
  t.strictSame(await ask(strict, { to: { city: ' Bern ', zip: 3000, x: 1 } }), { cleaned: { to: { city: ' Bern ', zip: 3000, x: 1 } } })
  t.strictSame(codesOf((await ask(strict, { to: { city: 'B', zip: '3000' }, n: '5' })).errors), { 'to.city': ['min_length'], 'to.zip': ['invalid'], n: ['invalid'] })
  t.strictSame(await ask(await connect('/form/whole'), { city: 'Bern' }), { cleaned: { city: 'Bern' } })
  t.strictSame(codesOf((await ask(await connect('/strict/whole'), {})).errors), { city: ['required'] })
})

const customOptions = {
  formats: { zip: /^\d{4}$/ },
  keywords: [{ keyword: 'even', type: 'number', validate: (on: boolean, value: number) => !on || value % 2 === 0 }, ...formKeywords]
} as const

t.test("knows the formats and keywords of the application's Ajv", async (t) => {
  const messageSchema = { type: 'object', properties: { zip: { type: 'string', format: 'zip' }, n: { type: 'integer', even: true, minimum: 3 }, host: { type: 'string', format: 'hostname' } } }
  const { app, connect } = await serve(t, { ajv: { customOptions } } as object, (app) => { app.get('/', { schema: { querystring: {} } }, () => '') }, async (ws) => {
    ws.wsView('/form', { name: 'form', messageSchema, ...echo })
    ws.wsView('/strict', { name: 'strict', form: 'strict', messageSchema, ...echo })
  })
  for (const path of ['/form', '/strict']) {
    const client = await connect(path)
    t.strictSame(await ask(client, { zip: '3000', n: 4, host: 'example.org' }), { cleaned: { zip: '3000', n: 4, host: 'example.org' } }, path)
    t.strictSame(codesOf((await ask(client, { zip: '30000', n: 1, host: '-' })).errors), { zip: ['invalid'], n: ['even', 'min_value'], host: ['invalid'] }, path)
  }
  const form = await connect('/form')
  t.strictSame(await ask(form, { zip: 3000, n: '4' }), { cleaned: { zip: '3000', n: 4 } }, 'asked about the converted value')
  const { errors } = await cleanMessage(messageSchema, { zip: 'x', n: 5 }, { instance: app })
  t.strictSame(codesOf(errors!), { zip: ['invalid'], n: ['even'] }, 'cleanMessage too')
})

t.test('a schema that the application cannot read is refused at ready, with the name of the view', async (t) => {
  for (const property of [{ type: 'string', format: 'zap' }, { type: 'string', maxlength: 5 }, { type: 'sting' }, { $ref: 'nowhere' }, { type: 'string', pattern: '^(a+)+$' }]) {
    for (const form of ['form', 'strict'] as const) {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(wsViews, { views: async (ws) => { ws.wsView('/v', { name: 'chat', form, messageSchema: { type: 'object', properties: { p: property } }, ...echo }) } })
      await t.rejects(async () => { await app.ready() }, { message: /'chat'/ }, `${form}: ${JSON.stringify(property)}`)
    }
  }
})

t.test('in strict mode a validator compiler of the application judges, on a copy', async (t) => {
  const ajv = new Ajv({ allErrors: true, coerceTypes: true, keywords: [{ keyword: 'odd', type: 'number', validate: (on: boolean, value: number) => !on || value % 2 === 1 }] })
  const messageSchema = { type: 'object', properties: { n: { type: 'integer', minimum: 3, odd: true }, s: { type: 'string' }, l: { type: 'array', items: { type: 'object', required: ['x'] } } }, required: ['n'] }
  const { connect } = await serve(t, {}, (app) => { app.setValidatorCompiler(({ schema }) => ajv.compile(schema as object)) }, async (ws) => {
    ws.wsView('/strict', { name: 'strict', form: 'strict', messageSchema, ...echo })
    ws.wsView('/form', { name: 'form', messageSchema: { type: 'object', properties: { n: { type: 'integer' } } }, ...echo })
    await ws.register(async (inner) => {
      inner.setValidatorCompiler(() => (value: { n: unknown }) => value.n === 'magic' ? { value } : { error: new Error('secret') })
      inner.wsView('/inner', { name: 'inner', form: 'strict', messageSchema: { type: 'object', properties: { n: {} } }, ...echo })
    })
  })
  const strict = await connect('/strict')
  t.strictSame(await ask(strict, { n: '5', s: 7 }), { cleaned: { n: '5', s: 7 } }, 'what it coerces does not reach the handler')
  t.strictSame(codesOf((await ask(strict, { n: 2, l: [{}] })).errors), { n: ['min_value', 'odd'], 'l.0.x': ['required'] })
  t.strictSame(codesOf((await ask(strict, {})).errors), { n: ['required'] })
  t.strictSame(await ask(await connect('/form'), { n: ' 5 ', x: 1 }), { cleaned: { n: 5 } }, 'the form cleans as ever')
  const inner = await connect('/inner')
  t.strictSame(await ask(inner, { n: 'magic' }), { cleaned: { n: 'magic' } }, 'the one of its own context')
  t.strictSame(await ask(inner, { n: 1 }), { type: 'error', errors: { __all__: [{ message: 'Enter a valid value.', code: 'invalid' }] } })
})

t.test('one schema for messages and for an HTTP body', async (t) => {
  const Note = Type.Object({ text: Type.String({ minLength: 2, strip: false, errorMessages: { min_length: 'Write more.' } }) })
  const { app, connect } = await serve(t, { ajv: { customOptions } } as object, (app) => {
    app.post('/notes', { schema: { body: Note } }, (request) => request.body)
    app.post('/clean', (request) => cleanMessage(Note, request.body, { instance: app }))
  }, async (ws) => { ws.wsView('/notes', { name: 'notes', messageSchema: Note, ...echo }) })
  t.strictSame((await app.inject({ method: 'POST', url: '/notes', payload: { text: ' x ' } })).json(), { text: ' x ' })
  t.equal((await app.inject({ method: 'POST', url: '/notes', payload: { text: 'x' } })).statusCode, 400)
  t.strictSame((await app.inject({ method: 'POST', url: '/clean', payload: { text: 'x' } })).json().errors.text[0].message, 'Write more.')
  const client = await connect('/notes')
  t.strictSame(await ask(client, { text: ' x ' }), { cleaned: { text: ' x ' } })
  t.strictSame((await ask(client, { text: 'x' })).errors.text[0].message, 'Write more.')
})
