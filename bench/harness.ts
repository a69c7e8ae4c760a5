import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** What `npm run bench -- NAME` hands to a bench. */
export interface BenchOptions {
  /** Rounds of subject and baseline each; undefined: the bench's own default. */
  readonly rounds?: number
  /** Share of the bench's full size, 1 = full. A bench scales its counts with it, never its shape. */
  readonly scale: number
  /** `--set key=value`, for what only one bench knows. */
  readonly set: Readonly<Record<string, string>>
  /** A line for the reader. Goes to stderr with `--json`, so that stdout ends with the result. */
  readonly log: (line: string) => void
}

/** The last line of `--json`, with `figures` spread into it. */
export interface BenchResult {
  readonly bench: string
  /** Named figures with their unit in the name: `perSecond`, `p50Ms`, `bytesPerRecord`. */
  readonly figures: Readonly<Record<string, number>>
  /** Subject ÷ baseline, both of the same run; above 1 is better unless the bench says otherwise. */
  readonly ratio?: number
  /** What `ratio` must reach. */
  readonly goal?: number
  readonly pass: boolean
}

/** A bench is a file directly under bench/ that exports this. What several share lies in a folder below. */
export interface BenchModule {
  /** One line: what is measured against what. */
  readonly about?: string
  run(options: BenchOptions): Promise<BenchResult>
}

/** Several measurements of one figure. */
export interface Sample {
  readonly values: readonly number[]
  readonly median: number
  readonly min: number
  readonly max: number
  /** (max − min) ÷ median: 0.1 means that the rounds differ by a tenth. */
  readonly spread: number
}

/** One round; resolves to the figure (operations a second, ms, …). */
export type Round = (round: number) => Promise<number> | number

export interface Alternation {
  readonly subject: Sample
  readonly baseline: Sample
  /** Subject ÷ baseline. */
  readonly ratio: Sample
}

/** The p-th quantile (0..1) by nearest rank; NaN of nothing. */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) return NaN
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? NaN
}

/** The middle value, or the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2
}

export function sample(values: readonly number[]): Sample {
  const middle = median(values)
  const min = Math.min(...values)
  const max = Math.max(...values)
  return { values, median: middle, min, max, spread: (max - min) / middle }
}

/**
 * Rounds of subject and baseline in turn, in one process, so that both see the same machine. The one that goes first changes
 * each round; `ratio` is taken per round, so that a slow phase of the machine hits both of its sides. Warm-up rounds (one by
 * default) are run and thrown away.
 */
export async function alternate(
  options: { readonly rounds: number; readonly warmups?: number; readonly subject: Round; readonly baseline: Round }
): Promise<Alternation> {
  const { rounds, warmups = 1, subject, baseline } = options
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = -warmups; round < rounds; round++) {
    let mine: number
    let other: number
    if (round % 2 === 0) {
      mine = await subject(round)
      other = await baseline(round)
    } else {
      other = await baseline(round)
      mine = await subject(round)
    }
    if (round < 0) continue
    ours.push(mine)
    theirs.push(other)
  }
  return { subject: sample(ours), baseline: sample(theirs), ratio: sample(ours.map((value, at) => value / (theirs[at] ?? NaN))) }
}

/** Milliseconds that `work` took, with its result. */
export async function timed<T>(work: () => Promise<T> | T): Promise<{ readonly ms: number; readonly value: T }> {
  const start = performance.now()
  const value = await work()
  return { ms: performance.now() - start, value }
}

/** Operations a second of `count` operations done by `work`. */
export async function rate(count: number, work: () => Promise<void> | void): Promise<number> {
  const { ms } = await timed(work)
  return count / (ms / 1000)
}

/** How late this thread's event loop was while `work` ran, in ms (resolution 1 ms). */
export async function loopDelay<T>(work: () => Promise<T>):
Promise<{ readonly value: T; readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number }> {
  const resolution = 1
  const histogram = monitorEventLoopDelay({ resolution })
  histogram.enable()
  // The histogram records its own timer's period too; what lies under it is not delay.
  const late = (ns: number) => Math.max(0, ns / 1e6 - resolution)
  try {
    const value = await work()
    return { value, p50Ms: late(histogram.percentile(50)), p99Ms: late(histogram.percentile(99)), maxMs: late(histogram.max) }
  } finally {
    histogram.disable()
  }
}

/** Versions of node and of the named packages, and the machine's cores: the head of every bench's output. */
export function versions(packages: readonly string[]): Record<string, string> {
  const found: Record<string, string> = { node: process.version, cores: String(cpus().length) }
  for (const name of packages) found[name] = packageVersion(name)
  return found
}

/** Reads package.json from disk: many packages do not export it. */
function packageVersion(name: string): string {
  const require = createRequire(import.meta.url)
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      const manifest: unknown = require(`${folder}/${name}/package.json`)
      if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version)
    } catch {
      // not in this folder
    }
  }
  return 'not installed'
}

/** Logs `versions` as one line. */
export function logVersions(options: BenchOptions, packages: readonly string[]): void {
  options.log(Object.entries(versions(packages)).map(([name, version]) => `${name} ${version}`).join(', '))
}

/** 1234.5 → '1,235'; 0.1234 → '0.123'. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : Number(value.toPrecision(3)).toString()
}

/** A sample as `median (min–max)`. */
export function describeSample(of: Sample): string {
  return `${figure(of.median)} (${figure(of.min)}–${figure(of.max)})`
}

/** Rows as a table of aligned columns, first column left, others right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}
