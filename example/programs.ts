import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

// The servers beside Node that the sandbox and the tests run. Where one is missing, Debian's packages are unpacked,
// without root, into node_modules/.cache.

export interface Program {
  path: string
  env: NodeJS.ProcessEnv
  version: string
}

interface Wanted {
  /** for messages */
  name: string
  /** an environment variable with the path of the program */
  variable: string
  /** names on the PATH */
  names: string[]
  packages: string[]
  /** the program, below the root of the unpacked packages */
  path: string
  /** another name for a file of the packages: from, to */
  link?: [string, string]
  versionArgs: string[]
  versionPattern: RegExp
}

const redis: Wanted = {
  name: 'redis-server',
  variable: 'REDIS_SERVER',
  names: ['redis-server', 'valkey-server'],
  packages: ['redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1'],
  path: 'usr/bin/redis-server',
  // Debian has the real binary in redis-tools; what it does depends on the name it is called by
  link: ['redis-check-rdb', 'usr/bin/redis-server'],
  versionArgs: ['--version'],
  versionPattern: /v=(\S+)/
}

const nginx: Wanted = {
  name: 'nginx',
  variable: 'NGINX',
  names: ['nginx'],
  packages: ['nginx'],
  path: 'usr/sbin/nginx',
  versionArgs: ['-v'],
  versionPattern: /nginx\/(\S+)/
}

/** @throws when there is no Redis and none can be had */
export const findRedis = (): Program => find(redis)

/** @throws when there is no nginx and none can be had */
export const findNginx = (): Program => find(nginx)

function find (wanted: Wanted): Program {
  const env = { ...process.env }
  const given = process.env[wanted.variable]
  if (given !== undefined && given !== '') {
    const version = versionOf(wanted, given, env)
    if (version === undefined) throw new Error(`${wanted.variable}=${given} does not run`)
    return { path: given, env, version }
  }
  for (const name of wanted.names) {
    const path = onPath(name)
    const version = path === undefined ? undefined : versionOf(wanted, path, env)
    if (path !== undefined && version !== undefined) return { path, env, version }
  }
  const unpacked = unpackDebian(wanted)
  if (typeof unpacked === 'object') return unpacked
  throw new Error(`There is no ${wanted.name}: install it (Debian: apt-get install ${wanted.name}), or set ` +
    `${wanted.variable}=/path/to/${wanted.name}. Unpacking Debian's packages failed: ${unpacked}`)
}

/** @returns why not, when it fails */
function unpackDebian (wanted: Wanted): Program | string {
  const cache = resolve('node_modules/.cache')
  const root = join(cache, `${wanted.name}-debian`)
  if (!existsSync(root)) {
    if (onPath('apt-get') === undefined || onPath('dpkg') === undefined) return 'this is no Debian'
    // into a directory of our own, renamed at the end: two test files may do this at the same time
    mkdirSync(cache, { recursive: true })
    const dir = mkdtempSync(join(cache, `${wanted.name}-debian-`))
    try {
      mkdirSync(join(dir, 'lists/partial'), { recursive: true })
      mkdirSync(join(dir, 'archives/partial'), { recursive: true })
      const apt = ['-q', '-o', `Dir::State::Lists=${dir}/lists`, '-o', `Dir::Cache=${dir}`, '-o', 'APT::Sandbox::User=', '-o', 'Debug::NoLocking=1']
      const steps: [string, string[]][] = [['apt-get', [...apt, 'update']], ['apt-get', [...apt, 'download', ...wanted.packages]]]
      for (const [command, args] of steps) {
        const result = run(command, args, dir)
        if (result.status !== 0) return `${command} ${args.at(args.indexOf('download')) ?? ''}: ${result.stderr || String(result.error)}`
      }
      for (const file of readdirSync(dir).filter((name) => name.endsWith('.deb'))) {
        const result = run('dpkg', ['-x', file, join(dir, 'root')], dir)
        if (result.status !== 0) return `dpkg -x ${file}: ${result.stderr}`
      }
      if (wanted.link !== undefined) symlinkSync(wanted.link[0], join(dir, 'root', wanted.link[1]))
      try {
        renameSync(join(dir, 'root'), root)
      } catch (err) {
        if (!existsSync(root)) throw err
      }
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }
  const lib = join(root, 'usr/lib')
  const libraries = existsSync(lib) ? readdirSync(lib).map((name) => join(lib, name)).join(':') : ''
  const env = { ...process.env, LD_LIBRARY_PATH: libraries }
  const path = join(root, wanted.path)
  const version = versionOf(wanted, path, env)
  return version === undefined ? `${path} does not run; remove ${root}` : { path, env, version }
}

function run (command: string, args: string[], cwd: string): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
}

function versionOf ({ versionArgs, versionPattern }: Wanted, path: string, env: NodeJS.ProcessEnv): string | undefined {
  const result = spawnSync(path, versionArgs, { env, encoding: 'utf8' })
  return result.status === 0 ? versionPattern.exec(result.stdout + result.stderr)?.[1] : undefined
}

export function onPath (name: string): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, name)).find((path) => existsSync(path))
}
