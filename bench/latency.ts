import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeSample, logVersions, median, quantile, sample, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { chainOf, heightOf } from './net/blocks.js'
import type { Chain } from './net/blocks.js'
import { Nodes, inLine, sendTxList } from './net/nodes.js'
import type { BenchNode } from './net/nodes.js'

export const about = 'publish at one node to the accepted event at another over loopback TCP, idle and at 200 messages a second; beside '
  + 'bare gossipsub without validation. ratio: the worst of (goal × baseline ÷ ours) over p50 and p99 of both loads, so 1 reaches the goal'

/** Ours ÷ baseline at most. */
const GOALS = { p50: 2, p99: 3 }
const ROUNDS = 5
/** One each 100 ms. */
const IDLE = { perSecond: 10, count: 30 }
const LOADED = { perSecond: 200, count: 600 }
/**
 * What is sent first, so that both sides' code is compiled and their heaps have the size of a node that has run for a while: before that the
 * compiler and the collector are what is measured.
 */
const WARM_UP = { perSecond: 500, count: 3_000 }

type Load = 'idle' | 'loaded'
const LOADS: Readonly<Record<Load, typeof IDLE>> = { idle: IDLE, loaded: LOADED }

/** Two nodes that know each other, and the chain that the first of them publishes. */
interface Pair { readonly from: BenchNode; readonly to: BenchNode; readonly chain: Chain; readonly times: Record<Load, number[][]> }

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub', 'piscina', 'classic-level'])
  const nodes = new Nodes()
  const folders = await Promise.all([0, 1].map(async () => mkdtemp(join(tmpdir(), 'latency-'))))
  try {
    const pair = async (role: 'service' | 'bare', dataDirs: readonly string[] = []): Promise<Pair> => {
      const [from, to] = await Promise.all([0, 1].map(async at => nodes.start(role, { unbounded: true, ...(dataDirs[at] !== undefined && { dataDir: dataDirs[at] }) })))
      await inLine([from!, to!])
      return { from: from!, to: to!, chain: await chainOf(), times: { idle: [], loaded: [] } }
    }
    const pairs = { bare: await pair('bare'), memory: await pair('service'), disk: await pair('service', folders) }
    const rounds = options.rounds ?? ROUNDS
    for (const { from } of Object.values(pairs)) await sendTxList(from)
    for (const each of Object.values(pairs)) await measure(each, WARM_UP, options.scale)
    for (let round = 0; round < rounds; round++) {
      const order = Object.values(pairs)
      if (round % 2 === 1) order.reverse()
      for (const load of ['idle', 'loaded'] as const) {
        for (const each of order) each.times[load].push(await measure(each, LOADS[load], options.scale))
      }
    }
    return report(options, pairs)
  } finally {
    await nodes.stopAll()
    await Promise.all(folders.map(async folder => rm(folder, { recursive: true, force: true })))
  }
}

/** One-way times of a round, ms. */
async function measure({ from, to, chain }: Pair, { perSecond, count }: typeof IDLE, scale: number): Promise<number[]> {
  const messages = chain.next(Math.max(5, Math.round(count * scale)))
  const { calledMs, failed, firstError } = await from.ask('publish', { topic: 'commitments', messages, perSecond })
  if (failed > 0) throw new Error(`${failed} of ${messages.length} were not published: ${firstError}`)
  const until = performance.now() + 5_000
  while (await to.ask('count') < messages.length) {
    if (performance.now() > until) throw new Error(`only ${await to.ask('count')} of ${messages.length} arrived`)
    await new Promise(resolve => { setTimeout(resolve, 20) })
  }
  const { heights, atMs } = await to.ask('arrivals')
  const arrived = new Map([...heights].map((height, at) => [height, atMs[at]!]))
  return messages.map((message, at) => arrived.get(heightOf(message))! - calledMs[at]!)
}

function report(options: BenchOptions, pairs: Readonly<Record<'bare' | 'memory' | 'disk', Pair>>): BenchResult {
  const figures: Record<string, number> = {}
  const rows: string[][] = []
  let ratio = Infinity
  for (const load of ['idle', 'loaded'] as const) {
    for (const [name, p] of [['p50', 0.5], ['p99', 0.99]] as const) {
      const of = (pair: Pair) => sample(pair.times[load].map(times => quantile(times, p)))
      const [bare, memory, disk] = [of(pairs.bare), of(pairs.memory), of(pairs.disk)]
      // of the same round, so that a slow phase of the machine hits both
      const ours = median(memory.values.map((value, round) => value / bare.values[round]!))
      const title = `${load}${name[0]!.toUpperCase()}${name.slice(1)}`
      Object.assign(figures, {
        [`${title}Ms`]: memory.median, [`${title}BareMs`]: bare.median, [`${title}DiskMs`]: disk.median, [`${title}Times`]: ours,
      })
      rows.push([`${load} ${name}, ms`, describeSample(bare), describeSample(memory), describeSample(disk), ours.toFixed(2)])
      ratio = Math.min(ratio, GOALS[name] / ours)
    }
  }
  options.log(table(['', 'bare gossipsub', 'ours, in memory', 'ours, on disk', 'ours ÷ bare'], rows))
  return { bench: 'latency', figures, ratio, goal: 1, pass: ratio >= 1 }
}
