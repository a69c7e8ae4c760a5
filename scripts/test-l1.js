#!/usr/bin/env node
/**
 * Runs the suites against real L1 development chains (test/l1): `test-l1.js [mocha options]`. These chains are a package of their own, installed here where it is
 * not: the library's `npm ci` does without. Where a platform has no such chain, or the registry does not serve it, this says so and passes. It ends
 * after MINUTES, whatever hangs.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MINUTES = Number(process.env.L1_MINUTES ?? 15)
const INSTALL_WITHIN = 120_000

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}test/l1`
const [install, installed] = [`${folder}/package-lock.json`, `${folder}/node_modules/.package-lock.json`]

/** npm writes beside what it has installed which versions that are. */
const versions = path => existsSync(path) ? JSON.stringify(Object.entries(JSON.parse(readFileSync(path, 'utf8')).packages).filter(([name]) => /node_modules\/(@foundry-rs\/anvil|solc)$/.test(name)).map(([name, { version }]) => [name, version])) : undefined

const skip = why => {
  console.log(`skipped: ${why}`)
  process.exit(0)
}

if (versions(install) !== versions(installed)) {
  const { status, error, stderr } = spawnSync('npm', ['ci', '--no-fund', '--no-audit', '--loglevel', 'error'], { cwd: folder, encoding: 'utf8', timeout: INSTALL_WITHIN })
  if (status !== 0) {
    const said = `${error?.message ?? ''} ${stderr}`.trim()
    // what is wrong in the lock file is ours to mend
    if (/EUSAGE|EINTEGRITY|EJSONPARSE/.test(said)) {
      console.error(said)
      process.exit(1)
    }
    skip(`the development chains could not be installed: ${said.split('\n')[0]}`)
  }
}
const packed = `${folder}/node_modules/@foundry-rs/anvil-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}/bin/anvil${process.platform === 'win32' ? '.exe' : ''}`
const anvil = spawnSync(existsSync(packed) ? packed : 'anvil', ['--version'], { encoding: 'utf8', timeout: 60_000 })
if (anvil.status !== 0) skip(`there is no anvil for ${process.platform} on ${process.arch}: ${anvil.error?.message ?? anvil.stderr}`)

const { status, error } = spawnSync(process.execPath, ['node_modules/mocha/bin/mocha.js', 'dist/test/l1/**/*.test.js', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit', timeout: MINUTES * 60_000, killSignal: 'SIGKILL' })
if (error !== undefined) console.error(`test-l1.js: ${error.code === 'ETIMEDOUT' ? `not done within ${MINUTES} minutes` : error.message}`)
process.exitCode = status ?? 1
