import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { FastifyInstance } from 'fastify'
import ts from 'typescript'
import { closeCodes, errors } from '../lib/index.ts'
import { readCodeBlocks, writeCodeBlocks } from './fixtures/code-blocks.ts'
import { rawClient } from './fixtures/rfc6455.ts'

const blocks = readCodeBlocks()
const readme = readFileSync('README.md', 'utf8')

t.test('every TypeScript block compiles against the built package', async (t) => {
  t.ok(blocks.length >= 3)
  const files = writeCodeBlocks(blocks, 'dist/.documents')
  const { config } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8')) as { config: { compilerOptions: object } }
  const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, noEmit: true }, '.')
  const program = ts.createProgram(files, options)
  for (const [i, file] of files.entries()) {
    const source = program.getSourceFile(file)
    const problems = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
    t.strictSame(problems, [], blocks[i]!.where)
  }
})

t.test('the quick start does what the README says', async (t) => {
  process.env.PORT = '0'
  const [file] = writeCodeBlocks(blocks.filter(({ name }) => name === 'quick-start'), 'dist/.quick-start')
  const { app } = await import(pathToFileURL(file!).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo

  t.match(await rawClient(port, '/ws/chat', { t }).catch((refused: unknown) => refused), { statusCode: 401 })
  const one = await rawClient(port, '/ws/chat', { t, headers: { authorization: 'one' } })
  const two = await rawClient(port, '/ws/chat', { t, headers: { authorization: 'two' } })
  one.send('{"text":"  hello "}')
  t.strictSame(JSON.parse((await one.next()).data as string), { from: 'one', text: 'hello' })
  t.strictSame(JSON.parse((await two.next()).data as string), { from: 'one', text: 'hello' })

  one.send('{"text":"","ref":7}')
  const documented = /stays connected:\n+```json\n(.*)\n/.exec(readme)![1]!
  t.strictSame(JSON.parse((await one.next()).data as string), JSON.parse(documented))
  one.send('{"text":"still here"}')
  t.match((await one.next()).data, 'still here')

  const { body } = await app.inject({ url: '/where', headers: { host: 'localhost:3000' } })
  t.equal(body, 'ws://localhost:3000/ws/chat')
})

t.test('the README lists every close code, and no other', async (t) => {
  const listed = [...readme.matchAll(/^\| (\d{4}) \| `([A-Z_]+)` \|/gm)].map(([, code, name]) => [name, Number(code)])
  t.strictSame(Object.fromEntries(listed), { ...closeCodes })
})

t.test('the README lists every error with its status, and no other', async (t) => {
  const listed = [...readme.matchAll(/^\| `(WSV_ERR_[A-Z0-9_]+)` \| (\d{3}) \|/gm)].map(([, name, status]) => [name, Number(status)])
  const known = Object.entries(errors).map(([name, Constructor]) => [name, new (Constructor as new () => { statusCode: number })().statusCode])
  t.strictSame(Object.fromEntries(listed), Object.fromEntries(known))
})

t.test('the name of an error is its code', async (t) => {
  for (const [name, Constructor] of Object.entries(errors)) t.equal(new (Constructor as new () => { code: string })().code, name)
})
