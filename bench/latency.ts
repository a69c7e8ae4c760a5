import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeSample, figure, logVersions, median, quantile, sample, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { chainOf, heightOf } from './net/blocks.js'
import type { Chain } from './net/blocks.js'
import { Nodes, inLine, sendTxList } from './net/nodes.js'
import type { BenchNode } from './net/nodes.js'

export const about = 'publish at one node to the accepted event at another over loopback TCP, idle and at 200 messages a second (or a third of what the machine can publish, where that is less); beside '
  + 'bare gossipsub without validation. ratio: the worst of (goal × baseline ÷ ours) over p50 and p99 of both loads, so 1 reaches the goal'

/** Ours ÷ baseline at most. */
const GOALS = { p50: 2, p99: 3 }
const ROUNDS = 5
/** One each 100 ms. */
const IDLE = { perSecond: 10, count: 30 }
/** Three seconds of it. */
const LOADED = { perSecond: 200, ofCapacity: 1 / 3, seconds: 3 }
/**
 * What is sent first, as fast as it is taken, so that both sides' code is compiled and their heaps have the size of a node that has run for a
 * while: before that the compiler and the collector are what is measured. Its last part says what the machine can do.
 */
const WARM_UP = { count: 3_000, atOnce: 8 }
/** What a disk that stalls keeps from being sent within this time is left out, ms. */
const WARM_UP_FOR = 20_000
/** How long nothing may arrive before the rest counts as lost, ms. */
const QUIET = 10_000

type Load = 'idle' | 'loaded'

/** Two nodes that know each other, and the chain that the first of them publishes. */
interface Pair {
  readonly from: BenchNode
  readonly to: BenchNode
  readonly chain: Chain
  readonly times: Record<Load, number[][]>
  /** Of all that was sent: not taken by the publisher, and never arrived. */
  readonly lost: { failed: number; missing: number }
  /** Of the publisher, as fast as it takes them: µs of its main thread a message. */
  mainUs: number
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub', 'piscina', 'classic-level'])
  const nodes = new Nodes()
  const folders = await Promise.all([0, 1].map(async () => mkdtemp(join(tmpdir(), 'latency-'))))
  try {
    const pair = async (role: 'service' | 'bare', dataDirs: readonly string[] = []): Promise<Pair> => {
      const [from, to] = await Promise.all([0, 1].map(async at => nodes.start(role, { unbounded: true, ...(dataDirs[at] !== undefined && { dataDir: dataDirs[at] }) })))
      await inLine([from!, to!])
      return { from: from!, to: to!, chain: await chainOf(), times: { idle: [], loaded: [] }, lost: { failed: 0, missing: 0 }, mainUs: NaN }
    }
    const pairs = { bare: await pair('bare'), memory: await pair('service'), disk: await pair('service', folders) }
    const rounds = options.rounds ?? ROUNDS
    for (const { from } of Object.values(pairs)) await sendTxList(from)
    const capacities: number[] = []
    for (const each of Object.values(pairs)) capacities.push(await warmUp(each, options.scale))
    const perSecond = Math.max(1, Math.min(LOADED.perSecond, Math.floor(LOADED.ofCapacity * Math.min(...capacities))))
    const loads = { idle: IDLE, loaded: { perSecond, count: perSecond * LOADED.seconds } }
    for (let round = 0; round < rounds; round++) {
      const order = Object.values(pairs)
      if (round % 2 === 1) order.reverse()
      for (const load of ['idle', 'loaded'] as const) {
        for (const each of order) each.times[load].push(await measure(each, loads[load], options.scale))
      }
    }
    return report(options, pairs, perSecond)
  } finally {
    await nodes.stopAll()
    await Promise.all(folders.map(async folder => rm(folder, { recursive: true, force: true })))
  }
}

/** Gives how many messages a second the pair takes when each follows as soon as the publisher has room. */
async function warmUp(pair: Pair, scale: number): Promise<number> {
  const count = Math.max(50, Math.round(WARM_UP.count * scale))
  const pace = { atOnce: WARM_UP.atOnce, forMs: WARM_UP_FOR }
  await deliver(pair, pair.chain.next(count), pace)
  await pair.from.ask('usage')
  const measured = pair.chain.next(Math.ceil(count / 3))
  const began = performance.now()
  const times = await deliver(pair, measured, pace)
  const perSecond = times.length / (performance.now() - began) * 1_000
  pair.mainUs = (await pair.from.ask('usage')).mainMs / times.length * 1_000
  return perSecond
}

/** One-way times of a round, ms. */
async function measure(pair: Pair, { perSecond, count }: typeof IDLE, scale: number): Promise<number[]> {
  return deliver(pair, pair.chain.next(Math.max(5, Math.round(count * scale))), { perSecond })
}

/** Publishes, and gives how long each took that arrived, ms. What did not is counted, and spoils the result, not the run. */
async function deliver({ from, to, lost }: Pair, messages: readonly Uint8Array[], pace: { readonly perSecond: number } | { readonly atOnce: number; readonly forMs: number }): Promise<number[]> {
  const { calledMs, failed } = await from.ask('publish', { topic: 'commitments', messages, ...pace })
  const sent = calledMs.filter(ms => !Number.isNaN(ms)).length
  let [seen, since] = [0, performance.now()]
  while (seen < sent - failed && performance.now() - since < QUIET) {
    await new Promise(resolve => { setTimeout(resolve, 20) })
    const now = await to.ask('count')
    if (now > seen) [seen, since] = [now, performance.now()]
  }
  const { heights, atMs } = await to.ask('arrivals')
  const arrived = new Map([...heights].map((height, at) => [height, atMs[at]!]))
  const times = messages.map((message, at) => (arrived.get(heightOf(message)) ?? NaN) - calledMs[at]!).filter(ms => !Number.isNaN(ms))
  lost.failed += failed
  lost.missing += sent - failed - times.length
  return times
}

function report(options: BenchOptions, pairs: Readonly<Record<'bare' | 'memory' | 'disk', Pair>>, loadedPerSecond: number): BenchResult {
  const { bare, memory, disk } = pairs
  const figures: Record<string, number> = {
    loadedPerSecond, publishMainUs: memory.mainUs, publishBareMainUs: bare.mainUs, publishDiskMainUs: disk.mainUs,
    failed: memory.lost.failed + disk.lost.failed, missing: memory.lost.missing + disk.lost.missing, bareMissing: bare.lost.failed + bare.lost.missing,
  }
  const rows: string[][] = []
  let ratio = Infinity
  for (const load of ['idle', 'loaded'] as const) {
    for (const [name, p] of [['p50', 0.5], ['p99', 0.99]] as const) {
      const of = (pair: Pair) => sample(pair.times[load].map(times => quantile(times, p)))
      const [bareTimes, ours, onDisk] = [of(bare), of(memory), of(disk)]
      // of the same round, so that a slow phase of the machine hits both
      const times = median(ours.values.map((value, round) => value / bareTimes.values[round]!))
      const title = `${load}${name[0]!.toUpperCase()}${name.slice(1)}`
      Object.assign(figures, {
        [`${title}Ms`]: ours.median, [`${title}BareMs`]: bareTimes.median, [`${title}DiskMs`]: onDisk.median, [`${title}Times`]: times,
      })
      rows.push([`${load} ${name}, ms`, describeSample(bareTimes), describeSample(ours), describeSample(onDisk), times.toFixed(2)])
      ratio = Math.min(ratio, GOALS[name] / times)
    }
  }
  options.log(table(['', 'bare gossipsub', 'ours, in memory', 'ours, on disk', 'ours ÷ bare'], rows))
  options.log(`loaded: ${loadedPerSecond} a second; a publication costs the publisher's main thread ${[bare, memory, disk].map(({ mainUs }) => figure(mainUs)).join(', ')} µs; `
    + `${figures['failed']} were refused and ${figures['missing']} never arrived`)
  return { bench: 'latency', figures, ratio, goal: 1, pass: ratio >= 1 && figures['failed'] === 0 && figures['missing'] === 0 }
}
