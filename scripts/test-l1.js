#!/usr/bin/env node
/**
 * Runs the suites against real L1 development chains (test/l1). These, and the compiler of the stand-in contract, are a package of their own,
 * installed here where it is not: the library's `npm ci` does without. Where a platform has no such chain, it says so and passes.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}test/l1`
const [install, installed] = [`${folder}/package-lock.json`, `${folder}/node_modules/.package-lock.json`]

/** npm writes beside what it has installed which versions that are. */
const versions = path => existsSync(path) ? JSON.stringify(Object.entries(JSON.parse(readFileSync(path, 'utf8')).packages).filter(([name]) => /node_modules\/(@foundry-rs\/anvil|solc)$/.test(name)).map(([name, { version }]) => [name, version])) : undefined

const run = (command, args, options = {}) => spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status ?? 1

if (versions(install) !== versions(installed)) {
  const status = run('npm', ['ci', '--no-fund', '--no-audit', '--silent'], { cwd: folder })
  if (status !== 0) process.exit(status)
}
const anvil = spawnSync(`${folder}/node_modules/.bin/anvil`, ['--version'], { encoding: 'utf8' })
if (anvil.status !== 0) {
  console.log(`skipped: there is no anvil for ${process.platform} on ${process.arch}: ${anvil.error?.message ?? anvil.stderr}`)
  process.exit(0)
}
process.exitCode = run(process.execPath, ['node_modules/mocha/bin/mocha.js', 'dist/test/l1/**/*.test.js', ...process.argv.slice(2)])
