#!/usr/bin/env node
/**
 * The benches of continuous integration: short, one after the other. Machines there are shared and noisy, so a bench fails only where
 * its ratio is under half of its goal. Figures that mean something come from `npm run bench -- NAME` on a quiet machine.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Name and size. Left out: benches whose ratio says nothing beside other work (latency, flood, start, catchup), and those without one. */
const BENCHES = [
  ['kernel', '--scale', '0.1', '--rounds', '3'],
  ['store', '--scale', '0.1', '--rounds', '3'],
  ['txlist', '--scale', '0.2', '--rounds', '3'],
  ['validate', '--scale', '0.1', '--rounds', '3'],
  ['validate-unknown', '--scale', '0.2', '--rounds', '3'],
  ['gossip', '--scale', '0.2', '--rounds', '2'],
]
const WITHIN_MS = 120_000
const main = fileURLToPath(new URL('../dist/bench/main.js', import.meta.url))

let failed = 0
for (const [name, ...options] of BENCHES) {
  const { stdout, stderr, error } = spawnSync(process.execPath, [main, name, ...options, '--json'], { encoding: 'utf8', timeout: WITHIN_MS })
  const result = read(stdout)
  const ok = result !== undefined && result.ratio >= result.goal / 2
  if (!ok) failed++
  console.log(`${name.padEnd(18)} ${result === undefined ? 'no result' : `ratio ${result.ratio.toFixed(2)}, goal ${result.goal}`}${ok ? '' : ': FAILED'}`)
  if (result === undefined) console.log(`${error?.message ?? ''}\n${stderr.slice(-2_000)}`)
}
process.exitCode = failed === 0 ? 0 : 1

/** The last line of `--json`. */
function read(stdout) {
  try {
    const result = JSON.parse(stdout.trim().split('\n').at(-1))
    return typeof result.ratio === 'number' && typeof result.goal === 'number' ? result : undefined
  } catch {
    return undefined
  }
}
