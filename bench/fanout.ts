import { describeSample, figure, logVersions, quantile, sample, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { chainOf, heightOf } from './net/blocks.js'
import { Nodes, sendTxList } from './net/nodes.js'
import type { BenchNode } from './net/nodes.js'
import type { Usage } from './net/wire.js'

export const about = 'one publisher and 20 nodes, each in a process of its own and connected to 12 others over loopback TCP: who gets what, how '
  + 'often and at how many bytes. ratio: deliveries ÷ (messages × 20). --set nodes=20'

const NODES = 20
/** Connections that each node opens to others before it in the ring: twice as many in all. */
const DIALS = 6
const MESSAGES = 40
const WARM_UP = 10
/** Ten times the real network's rate: 21 nodes share the cores of one machine. */
const PER_SECOND = 5
/** Processes that start at once. */
const STARTING = 4
/** How long the last delivery may take, ms. */
const WITHIN = 10_000
/** And the last duplicates after it. */
const SETTLE = 1_000

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub'])
  const nodes = new Nodes()
  try {
    const receivers = Number(options.set['nodes'] ?? NODES)
    const all = await ring(nodes, receivers + 1)
    const [publisher, ...others] = all as [BenchNode, ...BenchNode[]]
    await sendTxList(publisher)
    const chain = await chainOf()
    await deliver(publisher, others, chain.next(WARM_UP))
    await Promise.all(all.map(async node => node.ask('usage')))
    const messages = chain.next(Math.max(10, Math.round(MESSAGES * options.scale)))
    const { delivered, lastMs } = await deliver(publisher, others, messages)
    const usages = await Promise.all(others.map(async node => node.ask('usage')))
    return report(options, { messages: messages.length, receivers, delivered, lastMs, usages })
  } finally {
    await nodes.stopAll()
  }
}

/** Nodes in a ring, each connected to the `DIALS` nodes on either side. */
async function ring(nodes: Nodes, count: number): Promise<BenchNode[]> {
  const all: BenchNode[] = []
  while (all.length < count) {
    const batch = Math.min(STARTING, count - all.length)
    all.push(...await Promise.all(Array.from({ length: batch }, async () => nodes.start('service', { unbounded: true, threads: 1, copies: true }))))
  }
  for (let step = 1; step <= Math.min(DIALS, (count - 1) >> 1); step++) {
    await Promise.all(all.map(async (node, at) => node.ask('dial', all[(at + step) % count]!.address)))
  }
  await Promise.all(all.map(async node => node.ask('meshed', Math.min(4, count - 1))))
  return all
}

/** Publishes, and gives who got how much, and after how long each message had reached everybody, ms. */
async function deliver(publisher: BenchNode, others: readonly BenchNode[], messages: readonly Uint8Array[]): Promise<{ delivered: number; lastMs: number[] }> {
  const { calledMs } = await publisher.ask('publish', { topic: 'commitments', messages, perSecond: PER_SECOND })
  for (const until = performance.now() + WITHIN; performance.now() < until;) {
    const counts = await Promise.all(others.map(async node => node.ask('count')))
    if (counts.every(count => count >= messages.length)) break
    await new Promise(resolve => { setTimeout(resolve, 100) })
  }
  await new Promise(resolve => { setTimeout(resolve, SETTLE) })
  const last = new Map<number, number>()
  let delivered = 0
  for (const { heights, atMs } of await Promise.all(others.map(async node => node.ask('arrivals')))) {
    delivered += new Set(heights).size
    heights.forEach((height, at) => { last.set(height, Math.max(last.get(height) ?? 0, atMs[at]!)) })
  }
  return { delivered, lastMs: messages.map((message, at) => (last.get(heightOf(message)) ?? NaN) - calledMs[at]!) }
}

interface Seen { readonly messages: number; readonly receivers: number; readonly delivered: number; readonly lastMs: readonly number[]; readonly usages: readonly Usage[] }

function report(options: BenchOptions, { messages, receivers, delivered, lastMs, usages }: Seen): BenchResult {
  const total = (of: (usage: Usage) => number): number => usages.reduce((sum, usage) => sum + of(usage), 0)
  const duplicates = total(({ copies }) => copies) / delivered - 1
  const bytes = total(({ bytesIn }) => bytesIn) / delivered
  const perNode = sample(usages.map(({ copies }) => copies / messages))
  const ratio = delivered / (messages * receivers)
  options.log(table(['of each delivery', ''], [
    ['copies a node', describeSample(perNode)],
    ['duplicates', figure(duplicates)],
    ['bytes over TCP, everything included', figure(bytes)],
    ['ms until everybody has it, p50 / p99', `${figure(quantile(lastMs, 0.5))} / ${figure(quantile(lastMs, 0.99))}`],
  ]))
  return {
    bench: 'fanout',
    figures: {
      nodes: receivers, messages, delivered, duplicates, bytes, p50Ms: quantile(lastMs, 0.5), p99Ms: quantile(lastMs, 0.99),
    },
    ratio, goal: 1, pass: ratio === 1,
  }
}
