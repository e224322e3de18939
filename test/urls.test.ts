import { deepStrictEqual, match, notDeepStrictEqual } from 'node:assert/strict'
import t from 'tap'
import Fastify from 'fastify'
import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { absoluteUrl, readBaseUrl } from '../lib/absolute-url.ts'
import { ViewNames, compileUrl, readRouterSettings, resolveUrl } from '../lib/url.ts'
import type { NamedUrl, UrlBuilder, UrlParams, UrlQuery } from '../lib/url.ts'

interface Route { app: FastifyInstance, builder: UrlBuilder, open (path: string): Promise<{ params: unknown, query: unknown } | undefined> }

/** A real route at `url`, and the builder for it. */
async function routeAt (t: Test, url: string, routerOptions: object = {}): Promise<Route> {
  const app = Fastify({ routerOptions })
  t.teardown(() => app.close())
  app.get(url, { exposeHeadRoute: false }, async request => ({ params: request.params, query: request.query }))
  await app.ready()
  return {
    app,
    builder: compileUrl({ name: 'view', url, ...readRouterSettings(app.initialConfig) }),
    async open (path) {
      const response = await app.inject(path)
      return response.statusCode === 200 ? response.json() : undefined
    }
  }
}

function build (url: string, params?: UrlParams, query?: UrlQuery, more: Partial<NamedUrl> = {}): string {
  return resolveUrl(compileUrl({ name: 'view', url, ...more }), params, query)
}

t.test('what was put in is what the route finds', async t => {
  const cases: [label: string, url: string, params: Record<string, string>, path: string][] = [
    ['a path without parameters', '/chat', {}, '/chat'],
    ['a parameter', '/chat/:room', { room: 'lobby' }, '/chat/lobby'],
    ['two parameters', '/:team/chat/:room', { team: 'a', room: 'b' }, '/a/chat/b'],
    ['reserved characters', '/chat/:room', { room: "a/b?c#d&e=f+g%h:i;j,k@l$m!n'o(p)q*r" }, '/chat/a%2Fb%3Fc%23d%26e%3Df%2Bg%25h%3Ai%3Bj%2Ck%40l%24m%21n%27o%28p%29q%2Ar'],
    ['what looks encoded already', '/chat/:room', { room: '%2F%25%zz' }, '/chat/%252F%2525%25zz'],
    ['a space and letters of the world', '/chat/:room', { room: 'a é 日 😀' }, '/chat/a%20%C3%A9%20%E6%97%A5%20%F0%9F%98%80'],
    ['unreserved characters, as they are', '/chat/:room', { room: 'a-b.c_d~e' }, '/chat/a-b.c_d~e'],
    ['three dots', '/chat/:room', { room: '...' }, '/chat/...'],
    ['two parameters and a dash', '/chat/:from-:to', { from: 'a', to: 'b' }, '/chat/a-b'],
    ['the dash belongs to the first where the second cannot have it', '/chat/:from-:to', { from: 'a-b', to: 'c' }, '/chat/a-b-c'],
    ['a dash alone', '/chat/:from-:to', { from: 'a', to: '-' }, '/chat/a--'],
    ['parameters and dots', '/file/:name.:ext', { name: 'a', ext: 'txt' }, '/file/a.txt'],
    ['a parameter and static text', '/file/:name.json', { name: 'a b' }, '/file/a%20b.json'],
    ['a pattern', '/chat/:id(^\\d+$)', { id: '42' }, '/chat/42'],
    ['a pattern with groups', '/chat/:id(^(?:a|b(?:c))+$)/x', { id: 'abc' }, '/chat/abc/x'],
    ['a pattern with a capturing group', '/chat/:id((a|b)c)', { id: 'ac' }, '/chat/ac'],
    ['a pattern with a parenthesis', '/chat/:id(^\\(\\w+\\)$)', { id: '(a)' }, '/chat/%28a%29'],
    ['two patterns side by side', '/at/:hour(^\\d{2}$)h:minute(^\\d{2}$)m', { hour: '08', minute: '05' }, '/at/08h05m'],
    ['a pattern, then an open parameter', '/at/:id(^\\d+$)-:name', { id: '8', name: 'a' }, '/at/8-a'],
    ['text before a parameter', '/@:user', { user: 'me' }, '/@me'],
    ['a colon that is none', '/a::b/:c', { c: 'd' }, '/a:b/d'],
    ['three colons', '/a:::c', { c: 'd' }, '/a:d'],
    ['a colon inside a segment with parameters', '/:a-x::y', { a: 'd' }, '/d-x%3Ay'],
    ['a wildcard', '/files/*', { '*': 'a/b c/d' }, '/files/a/b%20c/d'],
    ['a wildcard with what ends a path', '/files/*', { '*': 'a?b#c' }, '/files/a%3Fb%23c'],
    ['empty segments in a wildcard', '/files/*', { '*': 'a//b/' }, '/files/a//b/'],
    ['a wildcard in the middle of a segment', '/files*', { '*': 'x/y' }, '/filesx/y'],
    ['nothing but a wildcard', '*', { '*': '/a/b' }, '/a/b'],
    ['a parameter and a wildcard', '/:a/*', { a: 'x', '*': 'y/z' }, '/x/y/z'],
    ['an optional parameter, given', '/chat/:room?', { room: 'x' }, '/chat/x'],
    ['an optional parameter, left out', '/chat/:room?', {}, '/chat'],
    ['an optional parameter of the root, left out', '/:room?', {}, '/'],
    ['an optional parameter and a slash', '/chat/:room?/', { room: 'x' }, '/chat/x/'],
    ['an optional segment of two', '/chat/:a-:b?', { a: 'x', b: 'y' }, '/chat/x-y'],
    ['static text of the world', '/日 本/:a', { a: 'x' }, '/%E6%97%A5%20%E6%9C%AC/x'],
    ['a percent sign in static text', '/100%/:a', { a: '%' }, '/100%25/%25'],
    ['a percent sign between parameters', '/:a-%:b', { a: 'x', b: 'y' }, '/x-%2525y'],
    ['reserved characters in static text', '/a;b,c=d&e+f$g/:x', { x: '1' }, '/a;b,c=d&e+f$g/1']
  ]
  for (const [label, url, params, path] of cases) {
    await t.test(label, async t => {
      const { builder, open } = await routeAt(t, url)
      t.equal(resolveUrl(builder, params), path)
      t.same((await open(path))?.params ?? 'not found', params)
    })
  }
})

t.test('what would not come back is refused, and the error says what was expected', async t => {
  const cases: [label: string, url: string, params: Record<string, unknown>, code: string, message: RegExp, more?: Partial<NamedUrl>][] = [
    ['a missing parameter', '/chat/:room', {}, 'MISSING', /the parameter 'room' of '\/chat\/:room' is missing/],
    ['undefined', '/chat/:room', { room: undefined }, 'MISSING', /'room'/],
    ['an inherited parameter', '/chat/:toString', {}, 'MISSING', /'toString'/],
    ['half of an optional segment', '/chat/:a-:b?', { a: 'x' }, 'MISSING', /'b'/],
    ['a missing wildcard', '/files/*', {}, 'MISSING', /'\*'/],
    ['a parameter too many', '/chat/:room', { room: 'a', rom: 'b' }, 'UNUSED', /'rom' is no parameter of '\/chat\/:room'/],
    ['a parameter of a path without any', '/chat', { room: 'a' }, 'UNUSED', /'room'/],
    ['no object', '/chat', 'room' as never, 'INVALID', /an object with a value for each parameter, got 'room'/],
    ['a single dot', '/chat/:room', { room: '.' }, 'INVALID', /'room' must be such that no path segment is '\.' or '\.\.', got '\.'/],
    ['two dots', '/chat/:room/x', { room: '..' }, 'INVALID', /got '\.\.'/],
    ['a dot that the path makes two', '/a/.:x', { x: '.' }, 'INVALID', /'x'/],
    ['dots in a wildcard', '/:a/*', { a: 'b', '*': 'a/../b' }, 'INVALID', /'\*' must be/],
    ['an empty text', '/chat/:room', { room: '' }, 'INVALID', /'room' must be a text that is not empty, got ''/],
    ['an empty wildcard', '/files/*', { '*': '' }, 'INVALID', /not empty/],
    ['a lone surrogate', '/chat/:room', { room: 'a\ud800' }, 'INVALID', /well-formed Unicode/],
    ['null', '/chat/:room', { room: null }, 'INVALID', /a string, a finite number, a bigint or a boolean, got null/],
    ['an object', '/chat/:room', { room: {} }, 'INVALID', /got an object/],
    ['an array', '/chat/:room', { room: ['a'] }, 'INVALID', /got an array/],
    ['a function', '/chat/:room', { room: () => 'a' }, 'INVALID', /got a function/],
    ['NaN', '/chat/:room', { room: NaN }, 'INVALID', /got NaN/],
    ['what the pattern refuses', '/chat/:id(^\\d+$)', { id: '4x' }, 'INVALID', /'id' must be what '\/chat\/:id\(\^\\d\+\$\)' matches, unchanged, got '4x'/],
    ['what only a part of the pattern takes', '/:a(^\\d+$)-:b', { a: 'x', b: 'y' }, 'INVALID', /'a', 'b'/],
    ['a dash that would change sides', '/:a-:b', { a: 'a', b: 'b-c' }, 'INVALID', /'a' must be/],
    ['a line break where the router wants one line', '/:a-:b', { a: 'x\ny', b: 'z' }, 'INVALID', /'a', 'b'/],
    ['a value that a capturing group would take the place of', '/:a((x|y)z)/:b', { a: 'xz', b: 'q' }, 'INVALID', /'b' must be/],
    ['a value where the pattern captures nothing', '/:a(?:x)', { a: 'x' }, 'INVALID', /'a' must be/],
    ['the name of a host', '*', { '*': '//evil.example' }, 'INVALID', /does not begin with '\/\/'/],
    ['a wildcard that is no path', '*', { '*': 'a' }, 'INVALID', /begins with '\/'/],
    ['what is too long', '/chat/:room', { room: 'a'.repeat(101) }, 'INVALID', /at most 100 characters long \(maxParamLength\), got 101/],
    ['what is longer than the router was told', '/chat/:room', { room: 'abcd' }, 'INVALID', /at most 3 /, { maxParamLength: 3 }],
    ['what is too long between others', '/:a-:b', { a: 'a', b: 'abcd' }, 'INVALID', /'b' must be at most 3 /, { maxParamLength: 3 }],
    ['empty segments where the router joins slashes', '/f/*', { '*': 'a//b' }, 'INVALID', /ignoreDuplicateSlashes/, { ignoreDuplicateSlashes: true }],
    ['a first slash where the router joins slashes', '/f/*', { '*': '/b' }, 'INVALID', /ignoreDuplicateSlashes/, { ignoreDuplicateSlashes: true }],
    ['a last slash where the router drops it', '/f/*', { '*': 'a/' }, 'INVALID', /ignoreTrailingSlash/, { ignoreTrailingSlash: true }],
    ['a letter that grows where the router ignores case', '/:a/x', { a: 'İ' }, 'INVALID', /ignores case/, { caseSensitive: false }]
  ]
  for (const [label, url, params, code, message, more] of cases) {
    t.throws(() => build(url, params as UrlParams, undefined, more), { code: `WSV_ERR_URL_PARAM_${code}`, message }, label)
  }
})

t.test('values just inside the limits are taken', async t => {
  const { builder, open } = await routeAt(t, '/chat/:room', { maxParamLength: 7 })
  for (const room of ['1234567', 'é日😀😀a', 'a/b/c/d']) {
    t.same((await open(resolveUrl(builder, { room })))?.params, { room })
    t.throws(() => resolveUrl(builder, { room: `${room}x` }), { code: 'WSV_ERR_URL_PARAM_INVALID' })
  }
  const wildcard = await routeAt(t, '/files/*', { maxParamLength: 7 })
  const path = 'a'.repeat(200)
  t.same((await wildcard.open(resolveUrl(wildcard.builder, { '*': path })))?.params, { '*': path }, 'the wildcard has no limit')
})

t.test('numbers, bigints and booleans stand as their text', async t => {
  const { builder, open } = await routeAt(t, '/:a/:b/:c/:d')
  const path = resolveUrl(builder, { a: 42, b: 2n ** 70n, c: false, d: -1.5 })
  t.equal(path, '/42/1180591620717411303424/false/-1.5')
  t.same((await open(path))?.params, { a: '42', b: '1180591620717411303424', c: 'false', d: '-1.5' })
  t.equal(build('/chat/:id(^\\d+$)', { id: 42 }), '/chat/42')
})

t.test('the query is encoded, arrays repeat their key, null and undefined are left out', async t => {
  const { builder, open } = await routeAt(t, '/chat/:room')
  const path = resolveUrl(builder, { room: 'a' }, { since: 7, 'a b&': "x=y&z#'+%", tag: ['p', 'q r', true], none: undefined, null: null, empty: '', many: [] })
  t.equal(path, '/chat/a?since=7&a%20b%26=x%3Dy%26z%23%27%2B%25&tag=p&tag=q%20r&tag=true&empty=')
  t.same((await open(path))?.query, { since: '7', 'a b&': "x=y&z#'+%", tag: ['p', 'q r', 'true'], empty: '' })

  t.equal(build('/chat', {}, {}), '/chat')
  t.equal(build('/chat', {}, { a: undefined }), '/chat', 'no question mark without a value')
  for (const query of [{ a: [null] }, { a: {} }, { a: [[]] }, { a: [undefined] }, { a: '\udc00' }, { '\udc00': 'a' }, { a: Infinity }, 'a=b', null, ['a']]) {
    t.throws(() => build('/chat', {}, query as never), { code: 'WSV_ERR_URL_PARAM_INVALID', message: /'query/ })
  }
})

t.test('a path that no request can match is refused when the view is declared', t => {
  for (const url of ['/a?b', '/a#b/:c', '/:id(^\\d+$)/:a?/b?', '/\ud800', '/:id((a', '/:id([)']) {
    t.throws(() => compileUrl({ name: 'chat', url }), { code: 'WSV_ERR_VIEW_INVALID', message: /^wsView 'chat': / }, url)
  }
  t.throws(() => compileUrl({ name: 'chat', url: '/a;b', useSemicolonDelimiter: true }), { code: 'WSV_ERR_VIEW_INVALID' })
  t.equal(build('/a;b'), '/a;b')
  t.end()
})

const awkward = fc.string({ unit: fc.constantFrom(...'aZ0-._~%2F5/?#:*;+& é日😀\n\0İ\\|"<\''), maxLength: 8 })
const simple = fc.string({ unit: fc.constantFrom('a', 'b', '/'), minLength: 1, maxLength: 3 })
const text = fc.oneof(awkward, simple, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 2 }), fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ minLength: 8, maxLength: 14 }))

const patterns: [url: string, names: string[], routerOptions?: object, values?: fc.Arbitrary<string>][] = [
  ['/chat/:room', ['room']],
  ['/:a/x/:b', ['a', 'b'], { maxParamLength: 10 }],
  ['/:a-:b', ['a', 'b']],
  ['/x/:a.:b-:c/y', ['a', 'b', 'c'], { maxParamLength: 10 }],
  ['/:id(^[\\w%/-]+$)', ['id']],
  ['/:a(^\\w+$)x:b-y', ['a', 'b']],
  ['/:a((a|b)*)/:b', ['a', 'b'], {}, fc.constantFrom('a', 'b', 'ab', 'ba', 'c', '')],
  ['/:a-%:b', ['a', 'b']],
  ['/:a/:b?', ['a', 'b'], { ignoreTrailingSlash: true }],
  ['/files/*', ['*']],
  ['/files/*', ['*'], { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, useSemicolonDelimiter: true }],
  ['/Files/:a/*', ['a', '*'], { caseSensitive: false }],
  ['/Rooms/:a-X:b', ['a', 'b'], { caseSensitive: false }],
  ['*', ['*'], {}, text.map(path => path.startsWith('Z') ? path : `/${path}`)]
]
for (const [url, names, routerOptions = {}, values = text] of patterns) {
  t.test(`any text comes back from '${url}' ${JSON.stringify(routerOptions)}, or is refused`, async t => {
    const { builder, open } = await routeAt(t, url, routerOptions)
    let built = 0
    let refused = 0
    await fc.assert(fc.asyncProperty(fc.tuple(...names.map(() => values)), async given => {
      const params = Object.fromEntries(names.map((name, index) => [name, given[index]!]))
      let path: string
      try {
        path = resolveUrl(builder, params)
      } catch (error) {
        refused++
        match(String((error as { code?: string }).code ?? error), /^WSV_ERR_URL_PARAM_INVALID$/)
        // Refused for nothing? Then the route would have given it back from the plainest URL.
        if (given.every(value => value !== '' && !/(?:^|\/)\.\.?(?:\/|$)/.test(value) && !value.startsWith('//'))) {
          const plain = fill(url, params)
          if (plain.startsWith('/')) notDeepStrictEqual((await open(plain))?.params, params)
        }
        return
      }
      built++
      match(path, /^\/[\w.~%/-]*$/)
      deepStrictEqual((await open(path))?.params, params)
    }), { numRuns: 300 })
    t.ok(built > 0 && refused > 0, `${built} built, ${refused} refused`)
  })
}

/** A URL made without any care but percent-encoding. */
function fill (url: string, params: Record<string, string>): string {
  const encoded = (name: string) => name === '*' ? params[name]!.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(params[name]!)
  return url.replace('%', '%2525').replace(/:([a-z]+)(\((?:[^()]|\([^()]*\))*\))?\??|\*/g, (all, name) => encoded(name ?? '*'))
}

t.test('absolute URLs', t => {
  const cases: [label: string, options: Parameters<typeof absoluteUrl>[1], url: string][] = [
    ['from the request', { requestHost: 'example.com' }, 'ws://example.com/chat?a=b'],
    ['over TLS', { requestHost: 'example.com', secure: true }, 'wss://example.com/chat?a=b'],
    ['with a port', { requestHost: 'localhost:8000' }, 'ws://localhost:8000/chat?a=b'],
    ['at an IPv6 address', { requestHost: '[::1]:8000' }, 'ws://[::1]:8000/chat?a=b'],
    ['with a base', { baseUrl: 'wss://ws.example.com', requestHost: 'example.com' }, 'wss://ws.example.com/chat?a=b'],
    ['a base and its slash', { baseUrl: 'wss://ws.example.com/' }, 'wss://ws.example.com/chat?a=b'],
    ['a base with a path', { baseUrl: 'wss://example.com/live/v1/' }, 'wss://example.com/live/v1/chat?a=b'],
    ['a base with a port', { baseUrl: 'ws://example.com:8001' }, 'ws://example.com:8001/chat?a=b'],
    ['a base with the default port', { baseUrl: 'wss://example.com:443' }, 'wss://example.com/chat?a=b'],
    ['a base at an IPv6 address', { baseUrl: 'ws://[2001:DB8::1]:8001/x' }, 'ws://[2001:db8::1]:8001/x/chat?a=b'],
    ['the base decides about TLS', { baseUrl: 'ws://example.com', secure: true }, 'ws://example.com/chat?a=b'],
    ["the view's own host", { host: 'ws.example.com', requestHost: 'example.com', secure: true }, 'wss://ws.example.com/chat?a=b'],
    ["the view's own host and a broken request", { host: 'ws.example.com', requestHost: '/' }, 'ws://ws.example.com/chat?a=b'],
    ["the view's own host in a base", { host: 'ws.example.com', baseUrl: 'wss://example.com:8001/x' }, 'wss://ws.example.com/x/chat?a=b'],
    ["the view's own host and port in a base", { host: '[::1]:9000', baseUrl: 'wss://[::2]:8001' }, 'wss://[::1]:9000/chat?a=b']
  ]
  for (const [label, options, url] of cases) {
    t.equal(absoluteUrl('/chat?a=b', options), url, label)
    t.equal(new URL(url).href, url, 'as a browser reads it')
  }
  for (const requestHost of [undefined, '', 'a/b', 'evil@example.com', 'a b', 'a:b', 'a?b', 'a#b', 'a\\b', '::1', 'a:123456', '[::1', 'a"b']) {
    t.throws(() => absoluteUrl('/chat', { requestHost }), { code: 'WSV_ERR_URL_HOST_INVALID', statusCode: 400 }, `Host: ${requestHost}`)
  }
  t.end()
})

t.test('a base URL is a ws or wss URL and no more', t => {
  const refused = ['https://example.com', 'http://example.com', 'ws.example.com', '//example.com', '/ws', '', 'wss://', 'wss://me@example.com',
    'wss://me:secret@example.com', 'wss://example.com/?a=b', 'wss://example.com/#a']
  for (const baseUrl of refused) {
    const invalid = { code: 'WSV_ERR_OPTION_INVALID', message: /option 'baseUrl' must be a ws:\/\/ or wss:\/\/ URL/ }
    t.throws(() => readBaseUrl(baseUrl), invalid, baseUrl)
    t.throws(() => absoluteUrl('/chat', { baseUrl }), invalid, baseUrl)
  }
  t.throws(() => readBaseUrl('wss://me:secret@example.com'), { message: /^((?!secret).)*$/ }, 'a password is not repeated')
  t.equal(readBaseUrl('WSS://Example.com:443//'), 'wss://example.com')
  t.end()
})

t.test('names', t => {
  const names = new ViewNames()
  t.throws(() => names.get('chat'), { code: 'WSV_ERR_VIEW_NOT_FOUND', message: "wsUrl: no view is named 'chat', the views are: none" })
  names.add({ name: 'feed', url: '/feed' })
  names.add({ name: 'v2:chat', url: '/v2/chat/:room', host: 'ws.example.com', maxParamLength: 5 })
  names.add({ name: 'chat', url: '/chat/:room' })
  t.equal(names.get('feed').view.url, '/feed')
  t.throws(() => names.get('fed'), { code: 'WSV_ERR_VIEW_NOT_FOUND' })
  t.equal(resolveUrl(names.get('v2:chat'), { room: 'a' }), '/v2/chat/a')
  t.equal(names.get('v2:chat').view.host, 'ws.example.com')
  t.equal(names.get('v2:chat').view.maxParamLength, 5)
  t.throws(() => names.get('chta'), { code: 'WSV_ERR_VIEW_NOT_FOUND', message: "wsUrl: no view is named 'chta', the views are: 'chat', 'feed', 'v2:chat'" }, 'the nearest first')
  t.throws(() => names.get(undefined as never), { code: 'WSV_ERR_VIEW_NOT_FOUND' })
  t.throws(() => names.add({ name: 'chat', url: '/other' }), {
    code: 'WSV_ERR_VIEW_NAME_TAKEN', message: "wsView: the name 'chat' is taken by the view at '/chat/:room'"
  })
  t.throws(() => names.add({ name: 'broken', url: '/a?b' }), { code: 'WSV_ERR_VIEW_INVALID' })
  t.throws(() => names.get('broken'), { code: 'WSV_ERR_VIEW_NOT_FOUND' }, 'a view that was refused has no name')
  for (let i = 0; i < 30; i++) names.add({ name: `view${i}`, url: `/${i}` })
  t.throws(() => names.get('chta'), { message: /'chat', 'feed', .*'view\d+' and 13 more$/ }, 'a long list is cut')
  t.end()
})

t.test('the settings of the router are found where Fastify keeps them', async t => {
  const given = { maxParamLength: 7, caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, useSemicolonDelimiter: true }
  const app = Fastify({ routerOptions: given })
  const plain = Fastify()
  t.teardown(() => Promise.all([app.close(), plain.close()]))
  t.same(readRouterSettings(app.initialConfig), given)
  t.same(readRouterSettings(given), given, 'at the top, as before Fastify had routerOptions')
  const defaults = { maxParamLength: 100, caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, useSemicolonDelimiter: false }
  t.same(readRouterSettings(plain.initialConfig), defaults)
  t.same(readRouterSettings({}), defaults)
})
