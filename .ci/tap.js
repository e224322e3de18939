// Runs tap, says again at the end what failed, and closes with one plain line, "N passed, N failed, N skipped".
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const tap = fileURLToPath(new URL('../node_modules/tap/dist/esm/run.mjs', import.meta.url))
const child = spawn(process.execPath, [tap, ...process.argv.slice(2)], { stdio: ['inherit', 'pipe', 'inherit'] })
const closed = new Promise((resolve) => child.once('close', resolve))

const subtests = [] // the name at each depth, as read last
const failures = [] // lines, the deepest failure first; what contains a failure is not said again
let totals = '' // tap's own last line: "# { total: 8, pass: 8, fail: 1, skip: 1 }"
let lastDepth = 0
let reading = false // the diagnostics of the last failure

child.stdout.pipe(process.stdout)
for await (const line of createInterface({ input: child.stdout })) {
  const depth = line.search(/\S/) / 4
  if (reading) {
    failures.push(line)
    reading = !/^ *\.\.\.$/.test(line)
  }
  const subtest = /^ *# Subtest: (.*)/.exec(line)
  if (subtest !== null) subtests.splice(depth, subtests.length, subtest[1])
  if (line.startsWith('# { total: ')) totals = line
  if (/^ *not ok /.test(line) && !/# (skip|todo)\b/i.test(line)) {
    reading = depth >= lastDepth
    if (reading) failures.push('', subtests.slice(0, depth).join(' > '), line)
    lastDepth = depth
  }
}
const code = await closed

if (failures.length > 0) console.log(['What failed:', ...failures].slice(0, 300).join('\n'))
const count = (name) => Number(new RegExp(`\\b${name}: ([\\d,]+)`).exec(totals)?.[1].replaceAll(',', '') ?? 0)
const failed = code === 0 ? count('fail') : Math.max(1, count('fail'))
console.log(`${count('pass')} passed, ${failed} failed, ${count('skip') + count('todo')} skipped`)
process.exitCode = code ?? 1
