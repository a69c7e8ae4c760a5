#!/usr/bin/env node
/**
 * Runs the suites with a real NATS server (test/nats), which is no part of what npm installs: the one that NATS_SERVER names, that of the PATH (Debian's
 * package nats-server, for one), or one that Go builds once into a cache outside the repository. Where there is none, it says so and passes.
 * `--find` prints where the server is, and runs nothing.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const VERSION = 'v2.15.2'
/** A first build takes minutes; it is given up after this, ms. */
const BUILD_WITHIN = Number(process.env.NATS_BUILD_WITHIN ?? 15 * 60_000)
/** Everything ends by then, ms. */
const TESTS_WITHIN = 10 * 60_000

const root = fileURLToPath(new URL('..', import.meta.url))
const runs = path => spawnSync(path, ['--version'], { timeout: 10_000 }).status === 0

function find() {
  const cache = join(tmpdir(), `preconf-nats-server-${VERSION}`)
  const built = join(cache, process.platform === 'win32' ? 'nats-server.exe' : 'nats-server')
  const there = [process.env.NATS_SERVER, 'nats-server', '/usr/sbin/nats-server', built].find(path => path !== undefined && runs(path))
  if (there !== undefined) return { path: there }
  if (spawnSync('go', ['version'], { timeout: 10_000 }).status !== 0) return { reason: 'there is no nats-server on the PATH, and no Go to build one' }
  mkdirSync(cache, { recursive: true })
  console.error(`building nats-server ${VERSION} into ${cache}, once: this takes minutes`)
  const build = spawnSync('go', ['install', `github.com/nats-io/nats-server/v2@${VERSION}`], { env: { ...process.env, GOBIN: cache }, timeout: BUILD_WITHIN, encoding: 'utf8' })
  if (build.status !== 0 || !existsSync(built)) return { reason: `nats-server could not be built: ${(build.error?.message ?? build.stderr).trim().split('\n').at(-1)}` }
  return { path: built }
}

const { path, reason } = find()
if (path === undefined) {
  console.log(`skipped: ${reason}`)
} else if (process.argv.includes('--find')) {
  console.log(path)
} else {
  const child = spawn(process.execPath, ['node_modules/mocha/bin/mocha.js', 'dist/test/nats/**/*.test.js', ...process.argv.slice(2)], {
    cwd: root, stdio: 'inherit', env: { ...process.env, NATS_SERVER: path }, timeout: TESTS_WITHIN,
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => { child.kill(signal) })
  child.on('exit', status => { process.exitCode = status ?? 1 })
}
