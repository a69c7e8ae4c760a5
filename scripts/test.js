#!/usr/bin/env node
/**
 * Runs mocha on what is built: `test.js all | unit | campaigns | samples [PATH…] | file PATH… [mocha options]`. PATH is a source (`test/kernel/life.test.ts`, with or without
 * its ending) or a folder of them. Files run side by side in processes of their own (`--jobs`), since the suite mostly waits.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const mocha = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url))

/** What starts nodes, threads or processes. Everything else is a unit test, and is refused them. */
const NOT_UNIT = [
  'integration/**', 'fault/**', 'readme.test.js',
  'cli/{identity,options,signing,stream}.test.js',
  'discovery/{actor,discv5-node}.test.js',
  'kernel/{actors-guide,boundary,outside}.test.js', 'kernel/threads/**',
  'network/{actor,answers-taken,author-*,connections,costs-of-a-message,forgetting,gossip*,joined-writes,leaving,limits}.test.js',
  'network/{envelope,handshake,mesh-places,load-libp2p,requests,scoring,serving,workarounds,yamux-limits}.test.js',
  'operate/{http,node,socket}.test.js', 'protocol/worker.test.js', 'reputation/kept.test.js',
  'service/{connect,life,publishing}.test.js',
  'store/{boundary,damage,database,disk-full,kill,lock,migration,thread}.test.js',
  'validator/{boundary,pool,threads,together}.test.js',
]
/** What needs a real L1 development chain: scripts/test-l1.js. */
const L1 = 'l1/**'
/** What needs a real broker: scripts/test-nats.js. */
const NATS = 'nats/**'
/** Samples of what `npm run campaign` runs in full. */
const CAMPAIGNS = 'campaigns/**/*.test.js'
/** As many as keep two cores busy while most of them wait. */
const JOBS = 4

const [what = 'all', ...rest] = process.argv.slice(2)
const paths = rest.filter(each => /^test([\\/]|$)/.test(relative(root, each)) && existsSync(sourceOf(each)))
const options = rest.filter(each => !paths.includes(each))

/** Longest first: none of them is left over at the end, alone on the machine. */
const FIRST = ['integration/network-attacks', 'integration/request-attacks', 'fault/', 'integration/', 'network/', '']

const args = {
  all: () => ['--parallel', '--jobs', String(JOBS), ...longestFirst()],
  // One after the other: each of them wants the machine for itself.
  campaigns: () => [`dist/test/${CAMPAIGNS}`],
  unit: () => ['--parallel', '--jobs', '2', ...[CAMPAIGNS, L1, NATS, ...NOT_UNIT].flatMap(path => ['--ignore', `dist/test/${path}`]), 'dist/test/**/*.test.js'],
  /** All that leaves something to chance, or what is named: in full. */
  samples: () => ['--parallel', '--jobs', '2', ...paths.length > 0 ? paths.map(builtOf) : longestFirst().filter(file => readFileSync(join(root, file), 'utf8').match(/samples\(|fc\.(assert|check)/) !== null)],
  file: () => {
    if (paths.length === 0) fail('test.js file PATH…: a test file, such as test/kernel/life.test.ts, or a folder')
    return paths.map(builtOf)
  },
}[what]
if (args === undefined) fail(`test.js: ${what} is none of all, unit, campaigns, samples, file`)

const child = spawn(process.execPath, [mocha, ...args(), ...options], {
  cwd: root, stdio: 'inherit', env: { ...process.env, ...what === 'unit' && { TEST_UNIT: '1' }, ...what === 'samples' && { TEST_SAMPLES: 'full' } },
})
// Whoever ends this ends mocha, and its processes with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => { child.kill(signal) })
child.on('exit', status => { process.exitCode = status ?? 1 })

/** Each file once: one that two patterns match would run twice. */
function longestFirst() {
  const files = readdirSync(join(root, 'dist/test'), { recursive: true }).map(file => file.replaceAll('\\', '/'))
    .filter(file => file.endsWith('.test.js') && !file.startsWith('campaigns/') && !/^(l1|nats)\//.test(file)).sort()
  const place = file => FIRST.findIndex(path => file.startsWith(path))
  return files.sort((a, b) => place(a) - place(b)).map(file => `dist/test/${file}`)
}

function sourceOf(path) { return existsSync(path) ? path : `${path}.ts` }

function builtOf(path) {
  const source = relative(root, sourceOf(path))
  return statSync(sourceOf(path)).isDirectory() ? `dist/${source}/**/*.test.js` : `dist/${source.replace(/\.ts$/, '.js')}`
}

function fail(why) {
  console.error(why)
  process.exit(2)
}
