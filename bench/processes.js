// The processes that are measured, and Redis. Where `taskset` exists, servers run on one core and everything else on
// another.
import { fork, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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
  const { port, protocol } = await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', () => reject(new Error(`${name} did not start`)))
  })
  if (pins) spawnSync('taskset', ['-acp', '0', String(child.pid)])
  return {
    port,
    protocol,
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
    /** of all its threads; Linux only */
    cpuUs: () => readdirSync(`/proc/${child.pid}/task`)
      .reduce((sum, thread) => sum + Number(readFileSync(`/proc/${child.pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000, 0),
    stop: () => {
      child.kill('SIGKILL')
      rmSync(dir, { recursive: true, force: true })
    }
  }
}
