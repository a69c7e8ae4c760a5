import { readdir } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { NOT_SLOWER, ROUNDS, against } from './compare/against.js'
import type { BenchModule, BenchOptions, BenchResult } from './harness.js'
import { figure } from './harness.js'

/** Files of this folder that are no benches. */
const NOT_BENCHES = new Set(['main', 'harness'])

interface Flags {
  readonly json?: true
  readonly rounds?: number
  readonly scale: number
  readonly set: Readonly<Record<string, string>>
  readonly peers?: string
  readonly blocks?: string
  readonly against?: string
}

async function benchNames(): Promise<string[]> {
  const files = await readdir(new URL('.', import.meta.url))
  const names = files.filter((file) => file.endsWith('.js')).map((file) => file.slice(0, -3))
  return names.filter((name) => !NOT_BENCHES.has(name)).sort()
}

function isBench(loaded: unknown): loaded is BenchModule {
  return typeof loaded === 'object' && loaded !== null && 'run' in loaded && typeof loaded.run === 'function'
}

async function load(name: string): Promise<BenchModule> {
  const loaded: unknown = await import(new URL(`./${name}.js`, import.meta.url).href)
  if (!isBench(loaded)) throw new Error(`bench/${name}.ts exports no run`)
  return loaded
}

/** One object, with the figures beside `bench`, `ratio`, `goal` and `pass`. */
function asJson(result: BenchResult): string {
  const { bench, figures, ratio, goal, pass } = result
  return JSON.stringify({ bench, ...figures, ratio, goal, pass })
}

function asText(result: BenchResult): string {
  const lines = Object.entries(result.figures).map(([name, value]) => `  ${name.padEnd(36)} ${figure(value)}`)
  if (result.ratio !== undefined) lines.push(`  ${'ratio to the baseline'.padEnd(36)} ${figure(result.ratio)}`)
  if (result.goal !== undefined) lines.push(`  ${'goal'.padEnd(36)} ${figure(result.goal)}`)
  return [`${result.bench}: ${result.pass ? 'pass' : 'FAIL'}`, ...lines].join('\n')
}

async function runBench(name: string | undefined, flags: Flags): Promise<number> {
  const names = await benchNames()
  if (name === undefined || !names.includes(name)) {
    if (name !== undefined) console.error(`unknown bench: ${name}`)
    console.error(`benches:\n${names.map((known) => `  ${known}`).join('\n')}`)
    return 2
  }
  const options: BenchOptions = {
    ...(flags.rounds === undefined ? {} : { rounds: flags.rounds }),
    scale: flags.scale,
    set: { ...flags.set, ...flags.peers !== undefined && { peers: flags.peers }, ...flags.blocks !== undefined && { blocks: flags.blocks } },
    log: flags.json === true ? (line) => { console.error(line) } : (line) => { console.log(line) }
  }
  const bench = await load(name)
  if (bench.about !== undefined) options.log(`${name}: ${bench.about}`)
  const result = flags.against === undefined ? await bench.run(options) : await against({
    name, ref: flags.against, rounds: flags.rounds ?? ROUNDS, log: options.log,
    args: ['--scale', String(flags.scale), ...Object.entries(options.set).flatMap(([key, value]) => ['--set', `${key}=${value}`])],
  })
  console.log(flags.json === true ? asJson(result) : asText(result))
  return result.pass ? 0 : 1
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError(`${text} is not a number above 0`)
  return value
}

function keyValue(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError(`${text} is not of the form key=value`)
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

await new Command('bench')
  .description('Measures one thing beside its baseline, in the same run. Exits 0 only if the goal is reached.')
  .argument('[name]', 'which bench; without it, their names')
  .option('--json', 'the result as one JSON object on the last line of stdout')
  .option('--rounds <n>', 'rounds of subject and baseline each', positive)
  .option('--against <ref>', `builds that commit in a folder of its own and runs both in alternating rounds (default ${ROUNDS}); not slower: a median ratio of at least ${NOT_SLOWER}`)
  .option('--scale <share>', 'share of the full size', positive, 1)
  .option('--set <key=value>', 'an option of one bench', keyValue, {})
  .option('--peers <n>', 'the same as --set peers=<n>: peers that serve')
  .option('--blocks <n>', 'the same as --set blocks=<n>: blocks to catch up with')
  .action(async (name: string | undefined, flags: Flags) => { process.exitCode = await runBench(name, flags) })
  .parseAsync()
