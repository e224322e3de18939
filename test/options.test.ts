import t from 'tap'
import Fastify from 'fastify'
import { Cluster, Redis } from 'ioredis'
import { Type } from '@sinclair/typebox'
import { serverDefaults, type ViewOptions } from '../lib/options.ts'
import { mergeServerOptions, readPluginOptions, readViewOptions } from '../lib/read-options.ts'

type Options = Record<string, unknown>
const nothing = () => {}
const schema = Type.Object({ text: Type.String() })
const defaults = readPluginOptions({}).view

function readView (options: Options, handler?: unknown): { view: ViewOptions, route: Options } {
  return readViewOptions('/chat', { name: 'chat', ...options }, handler, defaults)
}
/** a view that takes messages */
function readTalking (options: Options): { view: ViewOptions, route: Options } {
  return readView({ messageSchema: schema, onMessage: nothing, ...options })
}

t.test('without options a registration has the documented defaults', t => {
  const { view, server, ...registration } = readPluginOptions({})
  t.strictSame(registration, { prefix: '', views: [], namespace: undefined, context: {} })
  t.strictSame(server, {})
  t.strictSame(view, {
    origins: 'same-host',
    onHandlerError: undefined,
    form: 'form',
    unknownKeys: 'drop',
    refKey: 'ref',
    locale: undefined,
    messages: undefined,
    onInvalid: 'reply',
    formatError: undefined,
    maxErrors: 100,
    maxDepth: 32,
    maxPayload: 65536,
    maxInvalid: { count: 20, perMs: 10000 },
    rateLimit: false,
    backlog: 64,
    backlogBytes: 262144,
    maxPauseMs: 30000,
    maxBuffered: 1048576,
    onSlow: 'close',
    maxSubscriptions: 1000,
    heartbeat: { intervalMs: 30000, timeoutMs: 10000 },
    sessionGraceMs: 300000,
    unsafePatterns: false,
    checkReplies: true,
    concurrency: 1
  })
  t.strictSame(mergeServerOptions(undefined, {}), {
    redis: undefined,
    fanout: undefined,
    baseUrl: undefined,
    serve: true,
    websocket: {},
    userOf: undefined,
    checkSession: undefined,
    sessionCheckMs: 30000,
    handshakeTimeoutMs: 10000,
    maxConnections: undefined,
    maxConnectionsPerAddress: undefined,
    closeTimeoutMs: 5000
  })
  t.end()
})

t.test('undefined counts as not given', t => {
  const { view, server, prefix } = readPluginOptions({ prefix: undefined, redis: undefined, maxPayload: undefined, heartbeat: { intervalMs: undefined } })
  t.equal(prefix, '')
  t.strictSame(server, {})
  t.strictSame(view, defaults)
  t.equal(readTalking({ maxPayload: undefined }).view.maxPayload, 65536)
  t.end()
})

t.test('replies are checked outside production', t => {
  const { NODE_ENV } = process.env
  t.teardown(() => {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = NODE_ENV
  })
  process.env.NODE_ENV = 'production'
  t.equal(readPluginOptions({}).view.checkReplies, false)
  t.equal(readPluginOptions({ checkReplies: true }).view.checkReplies, true)
  process.env.NODE_ENV = 'development'
  t.equal(readPluginOptions({}).view.checkReplies, true)
  t.end()
})

t.test('a prefix has one slash in front and none at the end', t => {
  for (const [given, prefix] of [['', ''], ['/', ''], ['ws', '/ws'], ['/ws', '/ws'], ['/ws/', '/ws'], ['/:tenant/ws', '/:tenant/ws']]) {
    t.equal(readPluginOptions({ prefix: given }).prefix, prefix, given!)
  }
  t.end()
})

t.test('views are a plugin or several, also imported ones', t => {
  const plugin = async () => {}
  const imported = { default: plugin }
  const importing = Promise.resolve(imported)
  t.strictSame(readPluginOptions({ views: plugin }).views, [plugin])
  t.strictSame(readPluginOptions({ views: [plugin, imported, importing] }).views, [plugin, imported, importing])
  t.end()
})

t.test("what is Fastify's in register's options is handed on", t => {
  const logSerializers = { a: nothing }
  t.strictSame(readPluginOptions({ logLevel: 'warn', logSerializers, namespace: 'v2' }).context, { logLevel: 'warn', logSerializers })
  t.end()
})

const rightForPlugin: Options[] = [
  { redis: 'redis://localhost' }, { redis: { host: 'localhost' } }, { fanout: { channelPrefix: '' } }, { fanout: { channelPrefix: 'app:', maxPending: 5 } },
  { redis: 'redis://localhost', fanout: { channelPrefix: 'app:' } },
  { fanout: { publish: nothing, subscribe: nothing, status: 'ready', more: 1 } }, { baseUrl: 'wss://example.com/x' }, { serve: false },
  { websocket: {} }, { websocket: { perMessageDeflate: true } }, { websocket: { perMessageDeflate: { threshold: 1 }, maxFragments: 3 } },
  { userOf: nothing }, { checkSession: nothing }, { sessionCheckMs: 1 }, { handshakeTimeoutMs: 2 ** 31 - 1 }, { maxConnections: 1 },
  { maxConnectionsPerAddress: 1 }, { closeTimeoutMs: 0 }, { namespace: 'v2' }
]
for (const options of rightForPlugin) {
  t.test(`wsViews takes ${label(options)}`, t => {
    t.strictSame(readPluginOptions(options).server, 'namespace' in options ? {} : options)
    t.end()
  })
}

const rightEverywhere: Options[] = [
  { origins: 'same-host' }, { origins: '*' }, { origins: [] }, { origins: nothing }, { origins: [/^https:\/\/\w+\.example\.com$/i] },
  { origins: ['https://example.com', 'http://localhost:8000', 'http://[::1]:8000', 'null', 'chrome-extension://abcdef', 'https://xn--bcher-kva.example'] },
  { onHandlerError: nothing }, { form: 'strict' }, { unknownKeys: 'refuse' }, { refKey: 'id' }, { refKey: false }, { locale: nothing }, { messages: nothing },
  { onInvalid: 'close' }, { onInvalid: 'ignore' }, { onInvalid: nothing }, { formatError: nothing }, { maxErrors: 1 }, { maxDepth: 1 }, { maxPayload: 1 },
  { maxPayload: 2 ** 31 - 1 }, { maxInvalid: { count: 0, perMs: 1 } }, { rateLimit: { messages: 10, perMs: 1000 } }, { rateLimit: false }, { backlog: 1 },
  { backlogBytes: 1 }, { maxPauseMs: 1 }, { maxBuffered: 1 }, { onSlow: 'drop' }, { maxSubscriptions: 0 }, { heartbeat: { intervalMs: 5, timeoutMs: 9 } },
  { sessionGraceMs: 0 }, { unsafePatterns: true }, { checkReplies: false }, { concurrency: 16 }
]
for (const options of rightEverywhere) {
  t.test(`wsViews and a view take ${label(options)}`, t => {
    t.strictSame(readPluginOptions(options).view, { ...defaults, ...options })
    t.match(readTalking(options).view, options)
    t.strictSame(pick(readTalking(options).view, Object.keys(defaults)), { ...defaults, ...options })
    t.end()
  })
}

t.test('what a registration sets holds for its views until a view says otherwise', t => {
  const { view: own } = readPluginOptions({
    maxPayload: 10, maxInvalid: { count: 3 }, heartbeat: { intervalMs: 5 }, rateLimit: { messages: 1, perMs: 2 }, origins: '*'
  })
  t.strictSame(own.maxInvalid, { count: 3, perMs: 10000 }, 'what is missing in an object is filled in')
  t.strictSame(own.heartbeat, { intervalMs: 5, timeoutMs: 10000 })
  const read = (options: Options) => readViewOptions('/chat', { name: 'chat', ...options }, undefined, own).view
  t.match(read({}), { maxPayload: 10, maxInvalid: { count: 3, perMs: 10000 }, heartbeat: { intervalMs: 5, timeoutMs: 10000 }, origins: '*' })
  t.match(read({ maxPayload: 20, heartbeat: { timeoutMs: 7 }, maxInvalid: { perMs: 8 }, rateLimit: false }), {
    maxPayload: 20, maxInvalid: { count: 3, perMs: 8 }, heartbeat: { intervalMs: 5, timeoutMs: 7 }, rateLimit: false, origins: '*'
  })
  t.strictSame(own.heartbeat, { intervalMs: 5, timeoutMs: 10000 }, 'the registration keeps its own')
  t.end()
})

const wrongCounts = [-1, 1.5, NaN, Infinity, '5', null, true, 2 ** 53]
const wrongEverywhere: [options: Options, name: string, expected?: RegExp][] = [
  ...['maxErrors', 'maxDepth', 'maxPayload', 'backlog', 'backlogBytes', 'maxPauseMs', 'maxBuffered', 'concurrency', 'maxSubscriptions', 'sessionGraceMs']
    .flatMap(name => wrongCounts.map((value): [Options, string] => [{ [name]: value }, name])),
  ...['maxErrors', 'maxDepth', 'maxPayload', 'backlog', 'backlogBytes', 'maxPauseMs', 'maxBuffered', 'concurrency']
    .map((name): [Options, string] => [{ [name]: 0 }, name]),
  [{ maxPauseMs: 2 ** 31 }, 'maxPauseMs', /an integer from 1 to 2147483647 \(milliseconds\), got 2147483648/],
  [{ maxPayload: 2 ** 31 }, 'maxPayload', /2147483647/],
  [{ origins: 'https://example.com' }, 'origins'],
  [{ origins: ['https://example.com/'] }, 'origins', /as browsers send them/],
  [{ origins: ['https://example.com:443'] }, 'origins'],
  [{ origins: ['https://Example.com'] }, 'origins'],
  [{ origins: ['https://bücher.example'] }, 'origins'],
  [{ origins: ['example.com'] }, 'origins'],
  [{ origins: ['https://'] }, 'origins'],
  [{ origins: ['*'] }, 'origins'],
  [{ origins: [/example/g] }, 'origins', /without the flags g and y/],
  [{ origins: [/example/y] }, 'origins'],
  [{ origins: [nothing] }, 'origins'],
  [{ origins: null }, 'origins'],
  [{ onHandlerError: 'close' }, 'onHandlerError', /a function, got 'close'/],
  [{ form: 'loose' }, 'form', /'form' or 'strict', got 'loose'/],
  [{ unknownKeys: true }, 'unknownKeys', /'drop' or 'refuse', got true/],
  [{ refKey: '' }, 'refKey', /a string that is not empty or false, got ''/],
  [{ refKey: true }, 'refKey'],
  [{ locale: 'en' }, 'locale'],
  [{ messages: {} }, 'messages', /a function, got an object/],
  [{ onInvalid: 'answer' }, 'onInvalid', /'reply' or 'close' or 'ignore' or a function/],
  [{ formatError: null }, 'formatError', /got null/],
  [{ maxInvalid: 20 }, 'maxInvalid', /an object \{ count, perMs \}, got 20/],
  [{ maxInvalid: false }, 'maxInvalid'],
  [{ maxInvalid: { count: -1 } }, 'maxInvalid.count'],
  [{ maxInvalid: { perMs: 0 } }, 'maxInvalid.perMs'],
  [{ rateLimit: 10 }, 'rateLimit', /an object \{ messages, perMs \}, or false/],
  [{ rateLimit: { messages: 10 } }, 'rateLimit.perMs', /got undefined/],
  [{ rateLimit: { messages: 0, perMs: 10 } }, 'rateLimit.messages'],
  [{ rateLimit: [1, 2] }, 'rateLimit', /got an array/],
  [{ onSlow: 'wait' }, 'onSlow'],
  [{ heartbeat: false }, 'heartbeat'],
  [{ heartbeat: 30000 }, 'heartbeat', /an object \{ intervalMs, timeoutMs \}, got 30000/],
  [{ heartbeat: { intervalMs: 0 } }, 'heartbeat.intervalMs'],
  [{ heartbeat: { timeoutMs: '1s' } }, 'heartbeat.timeoutMs', /got '1s'/],
  [{ unsafePatterns: 'yes' }, 'unsafePatterns'],
  [{ checkReplies: 1 }, 'checkReplies']
]
t.test('a wrong value is refused, for wsViews and for a view', t => {
  for (const [options, name, expected = /./] of wrongEverywhere) {
    const message = new RegExp(`: option '${name}' must be .*${expected.source}`)
    t.throws(() => readPluginOptions(options), { code: 'WSV_ERR_OPTION_INVALID', message: new RegExp(`^wsViews${message.source}`) }, label(options))
    t.throws(() => readTalking(options), { code: 'WSV_ERR_OPTION_INVALID', message: new RegExp(`^wsView '/chat'${message.source}`) }, label(options))
  }
  t.end()
})

t.test('a wrong value for the server or the registration is refused', t => {
  const client = { publish: nothing, subscribe: nothing }
  const wrong: [options: Options, name: string, expected?: RegExp][] = [
    ...['sessionCheckMs', 'handshakeTimeoutMs', 'closeTimeoutMs', 'maxConnections', 'maxConnectionsPerAddress']
      .flatMap(name => wrongCounts.map((value): [Options, string] => [{ [name]: value }, name])),
    ...['sessionCheckMs', 'handshakeTimeoutMs', 'maxConnections', 'maxConnectionsPerAddress'].map((name): [Options, string] => [{ [name]: 0 }, name]),
    [{ prefix: 1 }, 'prefix'],
    [{ prefix: '//evil.example' }, 'prefix'],
    [{ views: {} }, 'views', /a plugin, or an array of plugins, got an object/],
    [{ views: [nothing, null] }, 'views'],
    [{ namespace: '' }, 'namespace'],
    [{ serve: 'no' }, 'serve'],
    [{ baseUrl: '' }, 'baseUrl'],
    [{ baseUrl: 'https://example.com' }, 'baseUrl', /a ws:\/\/ or wss:\/\/ URL/],
    [{ baseUrl: new URL('wss://example.com') }, 'baseUrl'],
    [{ userOf: 'user' }, 'userOf'],
    [{ checkSession: true }, 'checkSession'],
    [{ redis: '' }, 'redis'],
    [{ redis: 6379 }, 'redis', /an ioredis URL, options, a client, a Cluster, or \{ publisher, subscriber \}, got a number/],
    [{ redis: ['redis://a'] }, 'redis'],
    [{ redis: { publisher: client } }, 'redis', /with two clients/],
    [{ redis: { publisher: client, subscriber: 'redis://a' } }, 'redis', /with two clients/],
    [{ redis: { publisher: client, subscriber: client } }, 'redis.subscriber', /a client of its own/],
    [{ redis: { keyPrefix: 'a:' } }, 'redis', /without keyPrefix/],
    [{ redis: { ...client, options: { keyPrefix: 'a:' } } }, 'redis', /without keyPrefix/],
    [{ redis: { publisher: client, subscriber: { ...client, options: { keyPrefix: 'a:' } } } }, 'redis', /without keyPrefix/],
    [{ redis: { options: { redisOptions: { keyPrefix: 'a:' } } } }, 'redis', /without keyPrefix/],
    [{ fanout: 'redis' }, 'fanout'],
    [{ fanout: { channelPrefix: 1 } }, 'fanout.channelPrefix'],
    [{ fanout: { maxPending: 0 } }, 'fanout.maxPending'],
    [{ fanout: client, redis: 'redis://a' }, 'redis', /left out where 'fanout' is a fan-out of your own/],
    [{ websocket: true }, 'websocket'],
    [{ websocket: { perMessageDeflate: 9 } }, 'websocket.perMessageDeflate'],
    [{ websocket: { maxFragments: 2 ** 31 } }, 'websocket.maxFragments']
  ]
  for (const [options, name, expected = /./] of wrong) {
    const message = new RegExp(`^wsViews: option '${name}' must be .*${expected.source}`)
    t.throws(() => readPluginOptions(options), { code: 'WSV_ERR_OPTION_INVALID', message }, label(options))
  }
  t.throws(() => readPluginOptions({ redis: ['redis://me:secret@a'] }), { message: /^((?!secret).)*$/ }, 'a password is not repeated')
  t.end()
})

t.test('clients of ioredis are told from options, and one with keyPrefix is refused', t => {
  const options = { lazyConnect: true }
  const publisher = new Redis(options)
  const subscriber = new Redis(options)
  const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], options)
  const prefixed = [new Redis({ ...options, keyPrefix: 'a:' }), new Cluster([{ host: '127.0.0.1', port: 1 }], { ...options, redisOptions: { keyPrefix: 'a:' } })]
  t.teardown(() => { for (const client of [publisher, subscriber, cluster, ...prefixed]) client.disconnect() })
  t.equal(readPluginOptions({ redis: publisher }).server.redis, publisher)
  t.equal(readPluginOptions({ redis: cluster }).server.redis, cluster)
  t.strictSame(readPluginOptions({ redis: { publisher, subscriber } }).server, { redis: { publisher, subscriber } })
  for (const redis of prefixed) t.throws(() => readPluginOptions({ redis }), { code: 'WSV_ERR_OPTION_INVALID', message: /keyPrefix/ })
  t.end()
})

t.test('an unknown option is refused with the nearest name', t => {
  const unknown: [options: Options, message: string][] = [
    [{ orgins: [] }, "there is no option 'orgins', did you mean 'origins'?"],
    [{ ORIGINS: [] }, "there is no option 'ORIGINS', did you mean 'origins'?"],
    [{ maxPaylaod: 1 }, "there is no option 'maxPaylaod', did you mean 'maxPayload'?"],
    [{ redsi: 'redis://a' }, "there is no option 'redsi', did you mean 'redis'?"],
    [{ nmaespace: 'a' }, "there is no option 'nmaespace', did you mean 'namespace'?"],
    [{ handshakeTimeout: 1 }, "there is no option 'handshakeTimeout', did you mean 'handshakeTimeoutMs'?"],
    [{ somethingElse: 1 }, "there is no option 'somethingElse'"],
    [{ toString: 1 }, "there is no option 'toString'"],
    [{ heartbeat: { interval: 1 } }, "there is no option 'heartbeat.interval', did you mean 'intervalMs'?"],
    [{ heartbeat: { constructor: 1 } }, "there is no option 'heartbeat.constructor'"],
    [{ rateLimit: { messages: 1, perMS: 1 } }, "there is no option 'rateLimit.perMS', did you mean 'perMs'?"],
    [{ fanout: { prefix: 'a' } }, "there is no option 'fanout.prefix'"],
    [{ websocket: { permessageDeflate: true } }, "there is no option 'websocket.permessageDeflate', did you mean 'perMessageDeflate'?"],
    [{ websocket: { maxPayload: 1 } }, "there is no option 'websocket.maxPayload'; the view option 'maxPayload' sets it"],
    [{ websocket: { server: {} } }, "there is no option 'websocket.server'; Fastify has the HTTP server"],
    [{ websocket: { skipUTF8Validation: true } }, "there is no option 'websocket.skipUTF8Validation'; text messages are always checked (RFC 6455 §8.1)"],
    [{ messageSchema: {} }, "there is no option 'messageSchema'; it belongs to a view"],
    [{ name: 'a' }, "there is no option 'name'; it belongs to a view"]
  ]
  for (const [options, message] of unknown) {
    t.throws(() => readPluginOptions(options), { code: 'WSV_ERR_OPTION_UNKNOWN', message: `wsViews: ${message}` }, label(options))
  }
  t.end()
})

t.test('an unknown option of a view is refused with the nearest name, or with the place where it belongs', t => {
  const unknown: [options: Options, message: string][] = [
    [{ onMesage: nothing }, "there is no option 'onMesage', did you mean 'onMessage'?"],
    [{ mesageSchema: {} }, "there is no option 'mesageSchema', did you mean 'messageSchema'?"],
    [{ prehandler: nothing }, "there is no option 'prehandler', did you mean 'preHandler'?"],
    [{ helmet: false }, "there is no option 'helmet'; another plugin's route options go into 'route'"],
    [{ redis: 'redis://a' }, "there is no option 'redis'; it holds for the whole server and is set where wsViews is registered"],
    [{ closeTimeoutMs: 5 }, "there is no option 'closeTimeoutMs'; it holds for the whole server and is set where wsViews is registered"],
    [{ namespace: 'v2' }, "there is no option 'namespace'; it is set where wsViews is registered"],
    [{ method: 'GET' }, "there is no option 'method'; wsView sets it"],
    [{ wsHandler: nothing }, "there is no option 'wsHandler'; wsView sets it"],
    [{ route: { config: {} } }, "there is no option 'route.config'; it stands outside 'route'"],
    [{ route: { onMessage: nothing } }, "there is no option 'route.onMessage'; it stands outside 'route'"],
    [{ route: { url: '/other' } }, "there is no option 'route.url'; wsView sets it"]
  ]
  for (const [options, message] of unknown) {
    t.throws(() => readTalking(options), { code: 'WSV_ERR_OPTION_UNKNOWN', message: `wsView '/chat': ${message}` }, label(options))
  }
  for (const name of Object.keys(serverDefaults)) t.throws(() => readTalking({ [name]: 1 }), { code: 'WSV_ERR_OPTION_UNKNOWN' }, name)
  t.end()
})

t.test('server-wide options are settled by the first registration', t => {
  const client = { publish: nothing, subscribe: nothing }
  const clients = { publisher: new (class Client {})(), subscriber: new (class Client {})() }
  const first = mergeServerOptions(undefined, { redis: { host: 'a', tls: { ca: ['x'] } }, userOf: nothing as never, maxConnections: 5 })
  t.match(first, { redis: { host: 'a' }, maxConnections: 5, closeTimeoutMs: 5000 })

  t.equal(mergeServerOptions(first, {}), first, 'nothing given')
  t.equal(mergeServerOptions(first, { redis: { host: 'a', tls: { ca: ['x'] } }, userOf: nothing as never, maxConnections: 5 }), first, 'the same given')
  t.equal(mergeServerOptions(first, { serve: true, websocket: {} }), first, 'a default given')

  const others: [name: string, value: unknown][] = [
    ['redis', { host: 'b', tls: { ca: ['x'] } }], ['redis', { host: 'a', tls: { ca: ['y'] } }], ['redis', { host: 'a', tls: { ca: ['x', 'y'] } }],
    ['redis', { host: 'a' }], ['redis', 'redis://a'], ['redis', client], ['fanout', { channelPrefix: 'b' }], ['baseUrl', 'wss://example.com'], ['serve', false],
    ['websocket', { perMessageDeflate: true }], ['userOf', () => {}], ['checkSession', nothing], ['sessionCheckMs', 1], ['handshakeTimeoutMs', 1],
    ['maxConnections', 6], ['maxConnectionsPerAddress', 1], ['closeTimeoutMs', 1]
  ]
  for (const [name, value] of others) {
    const message = `wsViews: option '${name}' holds for the whole server and was set to another value by an earlier registration`
    t.throws(() => mergeServerOptions(first, { [name]: value }), { code: 'WSV_ERR_OPTION_CONFLICT', message }, label({ [name]: value }))
  }

  const withClients = mergeServerOptions(undefined, { redis: clients })
  t.equal(mergeServerOptions(withClients, { redis: { ...clients } }), withClients, 'the same clients')
  t.throws(() => mergeServerOptions(withClients, { redis: { ...clients, subscriber: new (class Client {})() } }), { code: 'WSV_ERR_OPTION_CONFLICT' }, 'clients that only look alike')

  const { server } = readPluginOptions({ baseUrl: 'wss://example.com' })
  const withBase = mergeServerOptions(undefined, server)
  t.equal(mergeServerOptions(withBase, readPluginOptions({ baseUrl: 'wss://EXAMPLE.com:443/' }).server), withBase, 'the same base, written differently')
  t.end()
})

t.test("a view's options are parted into ours and Fastify's", async t => {
  const hook = async () => {}
  const ours = { messageSchema: schema, replySchema: schema, onMessage: nothing, onOpen: nothing, subprotocols: ['b', 'a'], page: nothing, maxPayload: 5 }
  const theirs = { schema: { querystring: { type: 'object' } }, preHandler: [hook], config: { a: 1 }, constraints: { host: 'example.com' }, bodyLimit: 1 }
  const { view, route } = readView({ ...ours, ...theirs, route: { helmet: false } })
  t.strictSame(route, { ...theirs, exposeHeadRoute: false, helmet: false })
  t.equal(route.schema, theirs.schema)
  t.strictSame(view, {
    ...defaults,
    name: 'chat',
    frames: 'json',
    data: undefined,
    onClose: undefined,
    onGap: undefined,
    preMessage: undefined,
    preSend: undefined,
    handler: undefined,
    choices: undefined,
    validators: undefined,
    cleanFields: undefined,
    clean: undefined,
    errorMessages: undefined,
    ...ours,
    takesMessages: true,
    hasForm: true
  } as never)
  t.equal(view.messageSchema, schema, "the user's own schema object")

  const app = Fastify()
  t.teardown(() => app.close())
  app.route({ ...route, method: 'GET', url: '/chat', handler: async () => 'served' } as never)
  const response = await app.inject({ url: '/chat', headers: { host: 'example.com' } })
  t.equal(response.body, 'served', 'Fastify takes the route')
})

t.test('every route option of Fastify is known', t => {
  const known = ['schema', 'onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onError', 'onTimeout',
    'onRequestAbort', 'config', 'constraints', 'attachValidation', 'errorHandler', 'bodyLimit', 'logLevel', 'logSerializers', 'childLoggerFactory',
    'prefixTrailingSlash', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter', 'handlerTimeout']
  for (const name of known) t.equal(readTalking({ [name]: nothing }).route[name], nothing, name)
  t.equal(readTalking({ exposeHeadRoute: false }).route.exposeHeadRoute, false)
  t.end()
})

t.test('which views need a messageSchema', t => {
  const missing = { code: 'WSV_ERR_OPTION_INVALID', message: /option 'messageSchema' must be given where a JSON view takes messages/ }
  const codec = { parse: nothing, serialize: nothing }
  t.throws(() => readView({ onMessage: nothing }), missing, 'a JSON view with onMessage')
  t.throws(() => readView({ frames: 'json', onMessage: nothing }), missing)
  t.match(readView({ onOpen: nothing }).view, { takesMessages: false, hasForm: false }, 'one that only pushes needs none')
  t.match(readView({}, nothing).view, { takesMessages: false, handler: nothing }, 'nor an owning one that only pushes')
  for (const frames of ['text', 'binary', 'raw', codec]) {
    t.match(readView({ frames, onMessage: nothing }).view, { frames, takesMessages: true, hasForm: false }, `${label({ frames })} needs none`)
    t.match(readView({ frames }, nothing).view, { takesMessages: true, hasForm: false }, 'nor with a handler')
  }
  t.match(readView({ messageSchema: schema }, nothing).view, { takesMessages: true, hasForm: true, handler: nothing })
  t.match(readView({ messageSchema: schema, handler: nothing }).view, { handler: nothing }, 'the handler as an option')
  t.end()
})

t.test('a schema that takes anything turns the form off', t => {
  const open = [{}, Type.Unknown(), Type.Any(), Type.Unknown({ description: 'anything', $id: 'any' }), { definitions: { a: { type: 'string' } } }]
  for (const messageSchema of open) {
    t.equal(readTalking({ messageSchema }).view.hasForm, false, JSON.stringify(messageSchema))
    for (const [name, step] of Object.entries({ choices: { a: nothing }, validators: { a: [nothing] }, cleanFields: { a: nothing }, clean: nothing, errorMessages: { a: { b: 'c' } } })) {
      t.throws(() => readTalking({ messageSchema, [name]: step }), {
        code: 'WSV_ERR_OPTION_INVALID', message: new RegExp(`'${name}' must be left out: the messageSchema takes anything, so there is no form`)
      })
    }
    t.throws(() => readTalking({ messageSchema, onMessage: { say: nothing } }), { code: 'WSV_ERR_OPTION_INVALID', message: /'onMessage' must be a function: .* no tag to dispatch by/ })
  }
  t.throws(() => readView({ frames: 'text', onMessage: nothing, clean: nothing }), { code: 'WSV_ERR_OPTION_INVALID', message: /'clean' must be left out: there is no messageSchema/ })
  for (const frames of ['text', 'binary', 'raw']) {
    t.throws(() => readTalking({ frames, messageSchema: Type.String(), clean: nothing }), {
      code: 'WSV_ERR_OPTION_INVALID', message: /'clean' must be left out: a message of frames '\w+' has no fields, so there is no form/
    }, 'it would never run')
  }
  for (const messageSchema of [schema, { $ref: 'a#' }, { type: 'object' }, { custom: true }, Type.Transform(Type.Unknown()).Decode(nothing).Encode(nothing)]) {
    t.equal(readTalking({ messageSchema, clean: nothing }).view.hasForm, true, JSON.stringify(messageSchema))
  }
  t.end()
})

t.test('what a view may have', t => {
  const right: Options[] = [
    { onMessage: { say: nothing, leave: nothing } }, { validators: { text: [nothing, nothing] } }, { choices: {} }, { cleanFields: { text: nothing } },
    { errorMessages: { text: { required: 'Say something.' } } }, { subprotocols: [] }, { subprotocols: ['chat.v2', "a!#$%&'*+-.^_`|~9"] },
    { frames: { parse: nothing, serialize: nothing, binary: true, more: 1 } }, { data: nothing }, { onClose: nothing }, { onGap: nothing },
    { preMessage: nothing }, { preSend: nothing }
  ]
  for (const options of right) t.match(readTalking(options).view, options, label(options))

  const wrong: [options: Options, name: string, expected?: RegExp][] = [
    [{ name: '' }, 'name'],
    [{ name: ' ' }, 'name'],
    [{ name: 7 }, 'name', /got 7/],
    [{ messageSchema: 'say' }, 'messageSchema'],
    [{ messageSchema: [] }, 'messageSchema'],
    [{ messageSchema: true }, 'messageSchema'],
    [{ replySchema: nothing }, 'replySchema', /a JSON Schema object, got a function/],
    [{ frames: 'xml' }, 'frames', /'json', 'text', 'binary', 'raw', or a codec \{ parse, serialize, binary\? \}, got 'xml'/],
    [{ frames: { parse: nothing } }, 'frames'],
    [{ frames: { parse: nothing, serialize: nothing, binary: 1 } }, 'frames'],
    [{ onMessage: {} }, 'onMessage', /an object of functions, one for each tag/],
    [{ onMessage: { say: 'hello' } }, 'onMessage'],
    [{ onMessage: [nothing] }, 'onMessage'],
    [{ onOpen: {} }, 'onOpen'],
    [{ data: {} }, 'data'],
    [{ onClose: 1 }, 'onClose'],
    [{ onGap: 1 }, 'onGap'],
    [{ preMessage: [nothing] }, 'preMessage'],
    [{ preSend: [nothing] }, 'preSend'],
    [{ preSend: async () => {} }, 'preSend', /a synchronous function, got an async function/],
    [{ formatError: async () => {} }, 'formatError', /got an async function/],
    [{ frames: { parse: async () => {}, serialize: nothing } }, 'frames.parse', /got an async function/],
    [{ frames: { parse: nothing, serialize: async () => {} } }, 'frames.serialize', /got an async function/],
    [{ page: '<p>' }, 'page'],
    [{ choices: { text: ['a'] } }, 'choices'],
    [{ validators: { text: nothing } }, 'validators', /an object of arrays of functions/],
    [{ validators: { text: ['email'] } }, 'validators'],
    [{ cleanFields: [nothing] }, 'cleanFields'],
    [{ clean: {} }, 'clean'],
    [{ errorMessages: { text: 'no' } }, 'errorMessages'],
    [{ errorMessages: { text: { required: 1 } } }, 'errorMessages'],
    [{ subprotocols: 'chat' }, 'subprotocols', /different tokens/],
    [{ subprotocols: ['chat', 'chat'] }, 'subprotocols'],
    [{ subprotocols: ['chat v2'] }, 'subprotocols'],
    [{ subprotocols: ['a,b'] }, 'subprotocols'],
    [{ subprotocols: ['é'] }, 'subprotocols'],
    [{ subprotocols: [''] }, 'subprotocols'],
    [{ subprotocols: ['a\r\nb'] }, 'subprotocols'],
    [{ subprotocols: [1] }, 'subprotocols'],
    [{ route: [] }, 'route'],
    [{ route: true }, 'route'],
    [{ constraints: { version: '1.x' } }, 'constraints.version', /left out: a browser cannot send Accept-Version/],
    [{ exposeHeadRoute: true }, 'exposeHeadRoute', /false: a handshake is a GET request, got true/],
    [{ handler: nothing }, 'onMessage', /left out where a handler owns the connection/],
    [{ form: 'strict', unknownKeys: 'refuse' }, 'unknownKeys', /left out with form 'strict'/]
  ]
  for (const [options, name, expected = /./] of wrong) {
    const message = new RegExp(`^wsView '/chat': option '${name.replace('.', '\\.')}' must be .*${expected.source}`)
    t.throws(() => readTalking(options), { code: 'WSV_ERR_OPTION_INVALID', message }, label(options))
  }
  t.throws(() => readView({ messageSchema: schema, onMessage: nothing }, nothing), { code: 'WSV_ERR_OPTION_INVALID', message: /'onMessage' must be left out/ })
  t.throws(() => readView({ messageSchema: schema, handler: nothing }, nothing), { code: 'WSV_ERR_OPTION_INVALID', message: /'handler' must be given once/ })
  t.throws(() => readView({ concurrency: 2, messageSchema: schema }, nothing), { code: 'WSV_ERR_OPTION_INVALID', message: /'concurrency' must be left out where a handler owns the connection/ })
  for (const [name, value] of Object.entries({ messageSchema: schema, preMessage: nothing, concurrency: 2 })) {
    const message = new RegExp(`'${name}' must be left out of a view that takes no messages`)
    t.throws(() => readView({ onOpen: nothing, [name]: value }), { code: 'WSV_ERR_OPTION_INVALID', message })
    if (name === 'preMessage') t.throws(() => readView({ preMessage: nothing }, nothing), { code: 'WSV_ERR_OPTION_INVALID', message }, 'a handler that has nothing to read')
  }
  t.doesNotThrow(() => readView({ onOpen: nothing, rateLimit: { messages: 1, perMs: 1000 } }), 'a rate counts pings too')
  t.throws(() => readView({ messageSchema: schema }, 'handler'), { code: 'WSV_ERR_OPTION_INVALID', message: /'handler' must be a function, got 'handler'/ })
  t.end()
})

t.test('the URL of a view', t => {
  for (const url of ['', '/', '/chat/:room', '*']) t.ok(readViewOptions(url, { name: 'chat' }, undefined, defaults), url)
  for (const url of ['chat', ':room', undefined, {}, nothing]) {
    t.throws(() => readViewOptions(url as never, { name: 'chat' }, undefined, defaults), { code: 'WSV_ERR_OPTION_INVALID', message: /^wsView: option 'url' must be/ }, String(url))
  }
  for (const options of [undefined, null, nothing, 'chat', []]) {
    t.throws(() => readViewOptions('/chat', options as never, undefined, defaults), { code: 'WSV_ERR_OPTION_INVALID', message: /option 'options' must be an object/ })
  }
  t.end()
})

t.test('what was given is not written to', t => {
  const heartbeat = Object.freeze({ intervalMs: 5 })
  const options = Object.freeze({ name: 'chat', messageSchema: Object.freeze({ type: 'object' }), onMessage: nothing, heartbeat, route: Object.freeze({ helmet: false }) })
  const { view } = readViewOptions('/chat', options, undefined, Object.freeze({ ...defaults }))
  t.strictSame(heartbeat, { intervalMs: 5 })
  t.strictSame(view.heartbeat, { intervalMs: 5, timeoutMs: 10000 })
  t.end()
})

function pick (from: object, names: string[]): Options {
  return Object.fromEntries(names.map(name => [name, (from as Options)[name]]))
}

function label (options: Options): string {
  return JSON.stringify(options, (_, value: unknown) => {
    if (typeof value === 'function') return 'ƒ'
    if (value instanceof RegExp) return String(value)
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
  })
}
