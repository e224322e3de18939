import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { serverDefaults, viewDefaults } from '../lib/options.ts'

const document = readFileSync('SECURITY.md', 'utf8')
const readme = readFileSync('README.md', 'utf8')
const section = /^## Security\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? ''

const rowsOf = (text: string): string[][] => text.split('\n')
  .filter(line => line.startsWith('| ') && !line.startsWith('| threat'))
  .map(line => line.slice(1, -1).split('|').map(cell => cell.trim()))

t.test('every threat of SECURITY.md names tests, and they are there', async t => {
  const rows = rowsOf(document)
  t.ok(rows.length > 15)
  for (const [threat = '', , , shown = ''] of rows) {
    const tests = [...shown.matchAll(/`(test\/[^`]+)`((?:,? "[^"]+")+)/g)]
    t.ok(tests.length > 0, threat)
    for (const [, file, names] of tests) {
      if (!existsSync(file!)) {
        t.fail(`${file} is not there`)
        continue
      }
      const source = readFileSync(file!, 'utf8')
      for (const [, name] of names!.matchAll(/"([^"]+)"/g)) t.ok(source.includes(name!), `${file}: ${name}`)
    }
  }
})

t.test('every option it names is one', async t => {
  const others = ['replySchema', 'defineChannel', 'trustForeign', 'channelPrefix', 'trustProxy', 'serializers']
  const known = new Set([...Object.keys(serverDefaults), ...Object.keys(viewDefaults), ...others])
  for (const [threat = '', , options = ''] of rowsOf(document)) {
    for (const [, name] of options.matchAll(/`([^`]+)`/g)) t.ok(known.has(name!), `${threat}: ${name}`)
  }
})

t.test("the README's table is its short form", async t => {
  const rows = rowsOf(section)
  t.ok(rows.length > 8)
  const long = rowsOf(document).map(([, , options, shown]) => `${options} ${shown}`)
  for (const [threat = '', , shown = ''] of rows) {
    const files = [...shown.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file!)
    t.ok(files.length > 0, threat)
    for (const file of files) t.ok(existsSync(file) && long.some(cells => cells.includes(file)), `${threat}: ${file}`)
  }
})
