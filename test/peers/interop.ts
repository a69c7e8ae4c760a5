import { Command, InvalidArgumentError } from 'commander'
import { buildRustPeer, findCargo } from './cargo.js'
import { compareEnvelopes } from './envelopes.js'
import { fullPlan, quickPlan, runNetwork } from './network-run.js'
import { checkLines, comparisonLines, networkLines } from './report.js'
import { stopInTheMiddle } from './stopping.js'
import { compareWorkarounds, rows } from './without-workarounds.js'

interface Options { readonly minutes: number; readonly quick?: true; readonly only?: string }

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('It is a number above 0.')
  return value
}

const PARTS = ['network', 'H40', 'H66', ...rows]
function part(text: string): string {
  if (!PARTS.includes(text)) throw new InvalidArgumentError(`It is one of ${PARTS.join(', ')}.`)
  return text
}

/** Gives whether everything was as it must be. */
async function run({ minutes, quick, only }: Options): Promise<boolean> {
  const cargo = findCargo()
  if (cargo === undefined) {
    console.log('skipped: cargo is not installed (it builds the Rust peer, test/peers/rust)')
    return true
  }
  const began = performance.now()
  const log = (line: string): void => { console.log(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)}  ${line}`) }
  const program = await buildRustPeer(cargo)
  const wanted = only === undefined ? PARTS : [only]
  let ok = true
  const say = (result: { readonly lines: readonly string[]; readonly ok: boolean }): void => {
    ok &&= result.ok
    console.log(result.lines.join('\n'))
  }
  if (wanted.includes('network')) say(networkLines(await runNetwork(program, quick === true ? quickPlan : fullPlan(minutes), log)))
  if (wanted.includes('H40')) say(checkLines(await stopInTheMiddle(program, quick === true ? 3 : 12, log)))
  if (wanted.includes('H66')) say(checkLines(await compareEnvelopes(program, log)))
  const comparisons = await compareWorkarounds(program, wanted, log)
  if (comparisons.length > 0) say(comparisonLines(comparisons))
  console.log(ok ? '\nOurs and the Rust peers understand each other.' : '\nNOT everything is as it must be.')
  return ok
}

await new Command('interop')
  .description('A mixed network of our nodes and Rust peers (docs/interop.md). Exits 0 if all is well, and where cargo is not installed.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .option('--minutes <n>', 'how long the mixed network publishes', positive, 10)
  .option('--quick', 'a sample of everything in about two minutes')
  .option('--only <part>', `one of ${PARTS.join(', ')}`, part)
  .action(async (options: Options) => { process.exitCode = await run(options) ? 0 : 1 })
  .parseAsync()
