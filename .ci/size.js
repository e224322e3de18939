// What an installation takes: npm run size
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const dir = mkdtempSync(join(tmpdir(), 'size-'))
try {
  writeFileSync(join(dir, 'package.json'), '{ "name": "empty", "private": true }')
  const npm = (...args) => execFileSync('npm', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], { encoding: 'utf8' }))
  npm('install', '--no-audit', '--no-fund', '--loglevel=error', 'fastify@5')
  const before = installed(dir)
  npm('install', '--no-audit', '--no-fund', '--loglevel=error', `./${packed.filename}`)
  const after = installed(dir)
  const own = after.get('fastify-ws-views')
  const added = [...after].filter(([name]) => !before.has(name) && name !== 'fastify-ws-views')
  console.log(`fastify-ws-views ${kB(packed.size)} packed, ${kB(own)} unpacked`)
  console.log(`beside Fastify it brings ${added.length} packages, ${kB(added.reduce((sum, [, bytes]) => sum + bytes, 0))}:`)
  for (const [name, bytes] of added) console.log(`  ${name} ${kB(bytes)}`)
} finally {
  rmSync(dir, { recursive: true, force: true })
}

/** @returns the bytes of each installed package, by its path below node_modules */
function installed (project) {
  const packages = new Map()
  const root = join(project, 'node_modules')
  const visit = (path, owner) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const child = join(path, entry.name)
      if (entry.isDirectory()) visit(child, packageAt(child.slice(root.length + 1)) ?? owner)
      else if (entry.isFile() && owner !== undefined) packages.set(owner, (packages.get(owner) ?? 0) + statSync(child).size)
    }
  }
  visit(root, undefined)
  return packages
}

/** @returns the name of the package whose folder this is */
function packageAt (path) {
  return /(?:^|\/node_modules\/)((?:@[^/]+\/)?[^/@.][^/]*)$/.exec(path)?.[1]
}

function kB (bytes) {
  return `${Math.round(bytes / 1000)} kB`
}
