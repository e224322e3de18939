// The processes that are measured, and Redis. Where `taskset` exists, servers run on one core and everything else on
// another.
import { fork, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRedis } from '../example/programs.ts'

const pins = spawnSync('taskset', ['--version']).status === 0 && availableParallelism() > 1
if (pins) spawnSync('taskset', ['-cp', '1', String(process.pid)])

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

/** One of bench/servers. */
export async function startServer (name, env) {
  const child = fork(new URL(`servers/${name}.js`, import.meta.url), {
    env: { ...process.env, NODE_ENV: 'production', ...env }, execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const port = await new Promise((resolve, reject) => {
    child.once('message', ({ port }) => resolve(port))
    child.once('exit', () => reject(new Error(`${name} did not start`)))
  })
  if (pins) spawnSync('taskset', ['-acp', '0', String(child.pid)])
  return {
    port,
    ask: (question) => new Promise((resolve) => {
      child.once('message', resolve)
      child.send(question)
    }),
    stop: () => new Promise((resolve) => {
      child.once('exit', resolve)
      child.kill()
    })
  }
}

export async function startRedis () {
  const port = await new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
  const dir = mkdtempSync(join(tmpdir(), 'bench-redis-'))
  const binary = findRedis()
  const child = spawn(binary.path, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir], { env: binary.env, stdio: 'ignore' })
  await sleep(500)
  if (pins) spawnSync('taskset', ['-acp', '1', String(child.pid)])
  return {
    port,
    /** user and system time; Linux only, in steps of 10 ms */
    cpuUs: () => readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(' ').slice(13, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * 10_000,
    stop: () => {
      child.kill('SIGKILL')
      rmSync(dir, { recursive: true, force: true })
    }
  }
}
