#!/usr/bin/env node
/**
 * The benches of continuous integration: short, one after the other. They judge the code, not the machine, which is shared and noisy: a bench
 * fails where it gives no result, or where its ratio stays under its floor in three tries. The ratios are printed in any case. The goals
 * are in the benches themselves, and figures that mean something come from `npm run bench -- NAME` on a quiet machine.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Name, floor and size. A floor is what a ratio does not go below beside other work on the same two cores, unless something broke. Benches
 * without one are only run: what they measure is the machine's latency.
 */
const BENCHES = [
  ['kernel', 0.3, '--scale', '0.1', '--rounds', '3'],
  ['store', 0.2, '--scale', '0.1', '--rounds', '3'],
  ['txlist', 0.3, '--scale', '0.2', '--rounds', '3'],
  ['validate', 0.7, '--scale', '0.1', '--rounds', '3'],
  ['validate-unknown', 0.3, '--scale', '0.2', '--rounds', '3'],
  ['gossip', 0.2, '--scale', '0.2', '--rounds', '2'],
  ['latency', undefined, '--scale', '0.1', '--rounds', '1'],
  ['schedule', 1, '--scale', '0.05', '--rounds', '3'],
  // every honest commitment arrives, and nobody honest pays: what is under that is 0
  ['siege', 0.02, '--scale', '1'],
]
const TRIES = 3
const WITHIN_MS = 300_000
const main = fileURLToPath(new URL('../dist/bench/main.js', import.meta.url))

let failed = 0
for (const [name, floor, ...options] of BENCHES) {
  const ratios = []
  let broken
  while (ratios.length < TRIES && broken === undefined) {
    const { stdout, stderr, error } = spawnSync(process.execPath, [main, name, ...options, '--json'], { encoding: 'utf8', timeout: WITHIN_MS })
    const result = read(stdout)
    if (result === undefined) broken = `${error?.message ?? ''}\n${stderr.slice(-2_000)}`
    else ratios.push(result)
    if (floor === undefined || result?.ratio >= floor) break
  }
  const ok = broken === undefined && (floor === undefined || ratios.at(-1).ratio >= floor)
  if (!ok) failed++
  const seen = ratios.map(({ ratio }) => ratio.toFixed(2)).join(', ')
  console.log(`${name.padEnd(18)} ${ok ? 'ok' : 'FAILED'}: ratio ${seen || 'none'}${floor === undefined ? '' : `, floor ${floor}`}${ratios.length > 0 ? `, goal ${ratios[0].goal}` : ''}${broken ?? ''}`)
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
