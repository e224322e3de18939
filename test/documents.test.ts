import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import ts from 'typescript'
import * as exported from '../lib/index.ts'
import { registrationRules, serverRules, viewDefaultRules, viewOnlyRules } from '../lib/option-rules.ts'
import { serverDefaults, viewDefaults } from '../lib/options.ts'
import * as kit from '../lib/testing/index.ts'
import { childEnv } from './fixtures/child-env.ts'
import { readCodeBlocks, writeCodeBlocks, type CodeBlock } from './fixtures/code-blocks.ts'
import { rawClient } from './fixtures/rfc6455.ts'

const blocks = readCodeBlocks()
const readme = readFileSync('README.md', 'utf8')
const pages = new Map([...readdirSync('.'), ...readdirSync('docs').map((file) => join('docs', file)), 'example/README.md']
  .filter((path) => path.endsWith('.md')).map((path) => [path, readFileSync(path, 'utf8')]))
const { closeCodes, errors } = exported

t.test('every TypeScript block compiles against the built package', async (t) => {
  t.ok(blocks.length >= 3)
  // what is merged into the plugin's own types holds for a whole program
  const alone = blocks.filter(({ name }) => name === 'alone')
  for (const group of [blocks.filter((block) => !alone.includes(block)), ...alone.map((block) => [block])]) compile(t, group)
})

function compile (t: Test, blocks: CodeBlock[]): void {
  const files = writeCodeBlocks(blocks, '.documents/compiled')
  const { config } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8')) as { config: { compilerOptions: object } }
  const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, noEmit: true }, '.')
  const program = ts.createProgram(files, options)
  for (const [i, file] of files.entries()) {
    const source = program.getSourceFile(file)
    const problems = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
    t.strictSame(problems, [], blocks[i]!.where)
  }
}

t.test('the quick start does what the README says', async (t) => {
  process.env.PORT = '0'
  const [file] = writeCodeBlocks(blocks.filter(({ name }) => name === 'quick-start'), '.documents/quick-start')
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

t.test('the example of docs/sessions.md logs in and out', async (t) => {
  const [file] = writeCodeBlocks(blocks.filter(({ name }) => name === 'sessions'), '.documents/sessions')
  const { app } = await import(pathToFileURL(file!).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  const { wsConnect } = await import(pathToFileURL('dist/testing/index.js').href) as typeof kit // of the package the example has
  await t.rejects(wsConnect(app, 'feed'), { code: 'WSV_ERR_TEST_HANDSHAKE_REFUSED', statusCode: 401 })
  const login = await app.inject({ method: 'POST', url: '/login', body: { user: 'ada' } })
  const cookies = Object.fromEntries(login.cookies.map(({ name, value }) => [name, value]))
  const client = await wsConnect(app, 'feed', { cookies })
  client.send({ seen: 'x' })
  await client.expectErrors({ seen: ['invalid'] })
  t.equal((await app.inject({ method: 'POST', url: '/logout', cookies })).statusCode, 200)
  t.match(await client.closed, { code: 4401 })
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

t.test('the programs of docs/testing.md do what they say', async (t) => {
  const programs = blocks.filter(({ where }) => where.startsWith('docs/testing.md'))
  for (const [i, file] of writeCodeBlocks(programs, '.documents/testing').entries()) {
    t.doesNotThrow(() => execFileSync(process.execPath, ['--import', 'tsx', file], { env: childEnv(), stdio: 'pipe' }), programs[i]!.where)
  }
})

t.test('docs/testing.md lists every error of the kit, and no other', async (t) => {
  const listed = [...pages.get('docs/testing.md')!.matchAll(/^\| `(WSV_ERR_[A-Z_]+)` \|/gm)].map(([, name]) => name)
  t.strictSame(listed.sort(), Object.keys(kit.errors).sort())
})

t.test('every option has a row in a table, and every row is an option', async (t) => {
  const known = new Set([registrationRules, serverRules, viewDefaultRules, viewOnlyRules].flatMap((rules) => Object.keys(rules)))
  const listed = new Set<string>()
  for (const path of ['README.md', 'docs/forms.md']) {
    for (const [table] of pages.get(path)!.matchAll(/^\| (?:option|step) \|.*\n\|[-|]+\n(?:\|.*\n)+/gm)) {
      for (const row of table.split('\n').slice(2)) {
        const cell = row.split(' | ', 1)[0]!
        for (const [, name] of cell.matchAll(/`(\w+)(?=[`(:])/g)) listed.add(name!)
      }
    }
  }
  t.strictSame([...known].filter((name) => !listed.has(name)), [], 'options without a row')
  t.strictSame([...listed].filter((name) => !known.has(name)), [], 'rows without an option')
})

t.test('the README lists every export, and no other', async (t) => {
  const section = /^## Exports\n([\s\S]*?)^## /m.exec(readme)![1]!
  const listed = [...section.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) => [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  t.strictSame(listed.sort(), Object.keys(exported).sort())
  for (const name of Object.keys(kit)) t.ok(pages.get('docs/testing.md')!.includes(name), `${name} of the kit`)
})

t.test('the README has the defaults of the limits', async (t) => {
  const section = /^## Limits\n([\s\S]*?)^## /m.exec(readme)![1]!
  const units: Record<string, number> = { KiB: 1024, MiB: 1024 * 1024, s: 1000 }
  const read = (text: string): unknown => {
    const [, number, unit] = /^([\d ]+?)(?: (KiB|MiB|s))?$/.exec(text) ?? []
    if (number !== undefined) return Number(number.replaceAll(' ', '')) * (unit === undefined ? 1 : units[unit]!)
    return JSON.parse(text.replaceAll('`', '').replaceAll("'", '"').replace(/(\w+):/g, '"$1":').replace(/(\d)_/g, '$1'))
  }
  const defaults: Record<string, unknown> = { ...serverDefaults, ...viewDefaults }
  let count = 0
  for (const [, names, values] of section.matchAll(/^\| (`.*?) \| (.*?) \|/gm)) {
    if (values!.startsWith('none')) continue
    const given = values!.split(/, (?![^{]*\})/)
    for (const [i, [, name]] of [...names!.matchAll(/`(\w+)`/g)].entries()) {
      t.strictSame(read(given[i]!), defaults[name!], name!)
      count++
    }
  }
  t.ok(count > 10)
})

t.test('every option and every member of the kit has a row in docs/testing.md, and every row is one', async (t) => {
  const page = pages.get('docs/testing.md')!
  const rowsBelow = (heading: string): string[] => [...page.slice(page.indexOf(heading)).split('\n## ', 1)[0]!.matchAll(/^\| (`.*?) \|/gm)]
    .flatMap(([, cell]) => [...cell!.matchAll(/`(\w+)/g)].map(([, name]) => name!))
  t.strictSame(rowsBelow('## wsConnect').sort(), membersOf('lib/testing/connect.ts', 'WsConnectOptions').sort())
  t.strictSame(rowsBelow('## The client\n').sort(), membersOf('lib/testing/client.ts', 'WsTestClient').sort())
})

t.test('the README names every member of the socket and every decorator, and no other', async (t) => {
  const socket = /^### The socket\n\n([\s\S]*?) · async iteration/m.exec(readme)![1]!
  t.strictSame(socket.split(/\s*·\s*/).map((member) => /^`(\w+)/.exec(member)![1]).sort(), membersOf('lib/types/socket.ts', 'WsSocket').sort())
  const [, instance, request] = /The instance gets (.*), its requests (.*)\./.exec(readme)!
  for (const [listed, name] of [[instance, 'FastifyInstance'], [request, 'FastifyRequest']] as const) {
    t.strictSame([...listed!.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort(), membersOf('lib/types.ts', name).sort())
  }
})

/** The public members of an interface or a class, wherever in the file it is declared. */
function membersOf (file: string, name: string): string[] {
  const members: string[] = []
  const visit = (node: ts.Node): void => {
    if ((ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) && node.name?.text === name) {
      members.push(...node.members.flatMap(({ name }) => name !== undefined && ts.isIdentifier(name) ? [name.text] : []))
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest))
  return members
}

t.test('example/README.md lists every variable of the sandbox, and no other', async (t) => {
  const listed = [...pages.get('example/README.md')!.matchAll(/^\| (`[A-Z].*?) \|/gm)].flatMap(([, cell]) => [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  const [, read] = /const \{ (.*) \} = process\.env/.exec(readFileSync('example/server.ts', 'utf8'))!
  t.strictSame(listed.sort(), [...read!.matchAll(/[A-Z_]+/g)].map(([name]) => name).sort())
})

t.test('CONTRIBUTING.md knows every file of lib/, and no other', async (t) => {
  const table = /^\| files \|[\s\S]*?\n\n/m.exec(pages.get('CONTRIBUTING.md')!)![0]
  const listed = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  const files = readdirSync('lib', { withFileTypes: true }).flatMap((entry) => entry.isDirectory() ? `${entry.name}/` : entry.name.endsWith('.ts') ? entry.name.slice(0, -3) : [])
  t.strictSame(listed.sort(), files.sort())
})

t.test('every file and every script that the documents name exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const [path, text] of pages) {
    for (const [file] of text.matchAll(/\b(?:test|lib|example|bench|\.ci)\/[\w./-]*\.(?:tst?|js|json|conf)\b/g)) t.ok(existsSync(file), `${path}: ${file}`)
    for (const [, script] of text.matchAll(/npm run ([a-z:]+)/g)) t.ok(script! in scripts, `${path}: npm run ${script}`)
  }
})

t.test('every link within the documents leads somewhere', async (t) => {
  const anchors = (text: string): string[] => [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)]
    .map(([, title]) => title!.toLowerCase().replace(/`/g, '').replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-'))
    .map((anchor, i, all) => { const before = all.slice(0, i).filter((other) => other === anchor).length; return before === 0 ? anchor : `${anchor}-${before}` })
  for (const [path, text] of pages) {
    for (const [, target] of text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue
      const [file, anchor] = target!.split('#') as [string, string | undefined]
      const to = file === '' ? path : join(dirname(path), file)
      t.ok(existsSync(to), `${path}: ${target}`)
      if (anchor !== undefined) t.ok(anchors(pages.get(to) ?? readFileSync(to, 'utf8')).includes(anchor), `${path}: ${target}`)
    }
  }
})
