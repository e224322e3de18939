// Runs the tests with other releases of Node.js: npm run test:nodes [-- 22 24]. The binaries come from npm, for this machine.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const platform = process.platform === 'win32' ? 'win' : process.platform
const name = `node-${platform}-${process.arch}`
const releases = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24']

const results = releases.map((release) => {
  const dir = join(root, 'node_modules/.cache/nodes', release)
  mkdirSync(dir, { recursive: true })
  execFileSync('npm', ['install', '--prefix', dir, '--no-audit', '--no-fund', '--loglevel=error', `${name}@${release}`], { stdio: 'inherit', shell: platform === 'win' })
  const node = join(dir, 'node_modules', name, 'bin', platform === 'win' ? 'node.exe' : 'node')
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  console.log(`\nNode.js ${version}`)
  const { status } = spawnSync(node, ['.ci/tap.js', '--reporter=tap', '--disable-coverage'], {
    cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
  })
  return { version, status }
})

for (const { version, status } of results) console.log(`Node.js ${version}: ${status === 0 ? 'passed' : 'failed'}`)
if (results.some(({ status }) => status !== 0)) process.exitCode = 1
