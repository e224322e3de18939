import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { childEnv } from './fixtures/child-env.ts'

// The package as it is published, in an empty project: its own tarball, and the dependencies of this one.

// a package.json of its own: without it this package would find itself instead of the tarball
const dir = t.testdir({ 'package.json': '{ "name": "empty" }' })
const run = (file: string, args: string[], cwd = dir): string => execFileSync(file, args, { cwd, env: childEnv(), encoding: 'utf8' })
const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], process.cwd())) as
  [{ filename: string, files: { path: string }[] }]
const own = join(dir, 'node_modules/fastify-ws-views')
mkdirSync(own, { recursive: true })
run('tar', ['-xzf', filename, '--strip-components=1', '-C', own])
for (const name of readdirSync('node_modules')) {
  if (!name.startsWith('.') && name !== 'fastify-ws-views') symlinkSync(join(process.cwd(), 'node_modules', name), join(dir, 'node_modules', name))
}

/** the same program for both module systems */
const program = `
const app = Fastify()
app.register(plugin, { prefix: '/ws', views: async (ws) => { ws.wsView('/echo', { name: 'echo', frames: 'text', onMessage: (socket, text) => text }) } })
app.listen({ port: 0, host: '127.0.0.1' }).then(() => {
  const client = new WebSocket('ws://127.0.0.1:' + app.server.address().port + app.wsUrl('echo'))
  client.on('open', () => client.send('hello'))
  client.on('message', (data) => { console.log(String(data)); client.close() })
  client.on('close', () => app.close())
})`

t.test('holds what it needs, and nothing else', async (t) => {
  const paths = files.map(({ path }) => path)
  t.strictSame(paths.filter((path) => !path.startsWith('dist/')).sort(), ['LICENSE', 'README.md', 'package.json'])
  const sources = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  t.strictSame(paths.filter((path) => path.startsWith('dist/')).sort(),
    sources.flatMap((path) => ['.js', '.d.ts'].map((end) => `dist/${path.replace(/\.ts$/, end)}`)).sort())
  const { dependencies } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')) as { dependencies: object }
  t.strictSame(Object.keys(dependencies), [
    '@fastify/error', '@fastify/websocket', '@sinclair/typebox', '@types/ws', 'fastify-plugin', 'safe-regex2', 'secure-json-parse', 'ws'
  ])
})

t.test('an ECMAScript module imports it', async (t) => {
  writeFileSync(join(dir, 'program.mjs'), `import Fastify from 'fastify'\nimport WebSocket from 'ws'\nimport plugin from 'fastify-ws-views'\n${program}`)
  t.equal(run(process.execPath, ['program.mjs']), 'hello\n')
})

t.test('a CommonJS module requires it, and registers what it got', async (t) => {
  writeFileSync(join(dir, 'program.cjs'), `const Fastify = require('fastify')\nconst WebSocket = require('ws')\nconst plugin = require('fastify-ws-views')\n${program}`)
  t.equal(run(process.execPath, ['program.cjs']), 'hello\n')
})

/** the same test for each runner; `it` and `equal` are the runner's own */
const kitTest = `
it('a view is tested without a port', async () => {
  const app = Fastify()
  app.register(wsViews, {
    views: async (ws) => { ws.wsView('/say', { name: 'say', messageSchema: Type.Object({ text: Type.String({ minLength: 1 }) }), onMessage: (socket, { text }) => { socket.send({ text }) } }) }
  })
  const client = await wsConnect(app, 'say')
  client.send({ text: '' })
  await client.expectErrors({ text: ['required'] })
  client.send({ text: ' hello ' })
  equal(await client.next(), { text: 'hello' })
  equal(app.server.listening, false)
  await app.close()
  equal(await client.closed, { code: 1001, reason: 'server_closing' })
})`
const kitImports = `
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import wsViews from 'fastify-ws-views'
import { wsConnect } from 'fastify-ws-views/testing'
`

t.test('the test kit works with node:test', async (t) => {
  writeFileSync(join(dir, 'kit.test.mjs'), `import { it } from 'node:test'\nimport { deepStrictEqual as equal } from 'node:assert'\n${kitImports}${kitTest}`)
  t.match(run(process.execPath, ['--test', '--test-reporter=tap', 'kit.test.mjs']), /^# pass 1$/m)
})

t.test('the test kit works with vitest', async (t) => {
  writeFileSync(join(dir, 'kit.spec.mjs'), `import { expect, it } from 'vitest'\nconst equal = (actual, expected) => { expect(actual).toEqual(expected) }\n${kitImports}${kitTest}`)
  t.match(run(process.execPath, [join(process.cwd(), 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=tap', 'kit.spec.mjs']), /^ +ok 1 - a view is tested without a port/m)
})

t.test('the test kit works with tap', async (t) => {
  writeFileSync(join(dir, 'kit.tap.mjs'), `import t from 'tap'\nconst it = (name, test) => t.test(name, test)\nconst equal = (actual, expected) => t.strictSame(actual, expected)\n${kitImports}${kitTest}`)
  t.match(run(process.execPath, ['kit.tap.mjs']), /^ok 1 - a view is tested without a port/m)
})

t.test('TypeScript finds its types, in both module systems', async (t) => {
  const typed = `
import Fastify from 'fastify'
import wsViews, { defineChannel, defineView } from 'fastify-ws-views'
import { wsConnect, type WsTestClient } from 'fastify-ws-views/testing'
import { Type } from '@sinclair/typebox'
const said = defineChannel('said', Type.Object({ text: Type.String() }))
const view = defineView('/say', { name: 'say', messageSchema: Type.Object({ text: Type.String() }), onMessage (socket, message) { return this.wsFanout.publish(said, { text: message.text.trim() }) } })
const app = Fastify()
app.register(wsViews, { views: async (ws) => { ws.wsView(view) } })
export const url: string = app.wsUrl('say')
export const client: Promise<WsTestClient> = wsConnect(app, 'say')
`
  const wrong = `
// @ts-expect-error a number is no text
app.wsFanout.publish(said, { text: 1 })
`
  writeFileSync(join(dir, 'typed.mts'), typed + wrong)
  // TypeBox has other types for CommonJS: there they are no TSchema to us
  writeFileSync(join(dir, 'typed.cts'), typed + wrong)
  const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc')
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { noEmit: true, strict: true, skipLibCheck: true, module: 'nodenext', target: 'es2022', types: ['node'] }, files: ['typed.mts', 'typed.cts']
  }))
  t.equal(run(process.execPath, [tsc]), '')
})
