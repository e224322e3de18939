// Runs tap and closes with one plain line, "N passed, N failed, N skipped".
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const tap = fileURLToPath(new URL('../node_modules/tap/dist/esm/run.mjs', import.meta.url))
const child = spawn(process.execPath, [tap, ...process.argv.slice(2)], { stdio: ['inherit', 'pipe', 'inherit'] })

let tail = ''
child.stdout.on('data', (chunk) => {
  process.stdout.write(chunk)
  tail = (tail + chunk).slice(-20_000)
})
child.once('close', (code) => {
  // tap's own last line: "# { total: 8, pass: 8, fail: 1, skip: 1 }"
  const totals = tail.match(/# \{ total: .*\}/g)?.at(-1) ?? ''
  const count = (name) => Number(new RegExp(`\\b${name}: ([\\d,]+)`).exec(totals)?.[1].replaceAll(',', '') ?? 0)
  const failed = code === 0 ? count('fail') : Math.max(1, count('fail'))
  console.log(`${count('pass')} passed, ${failed} failed, ${count('skip') + count('todo')} skipped`)
  process.exitCode = code ?? 1
})
