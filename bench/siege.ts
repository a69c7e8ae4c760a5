import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Attackers } from '../test/campaigns/wire/attackers.js'
import { RustPeer } from '../test/peers/nodes.js'
import { figure, logVersions, quantile, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { chainOf, heightOf } from './net/blocks.js'
import { Nodes, inLine, sendTxList } from './net/nodes.js'
import type { BenchNode } from './net/nodes.js'

export const about = 'honest commitments while every attack of test/campaigns/wire/sieges.ts goes on at once, from four loopback addresses; a Rust peer beside, '
  + 'where it is built (npm run interop). --set full=1: two minutes. Passes at an honest share of 1, with nobody honest blamed and the Rust peer meshed throughout, p99 '
  + 'below 50 ms, an event loop delayed less than 20 ms (p99, its own part), and no more than 64 MiB kept afterwards. ratio: the worst of (limit ÷ seen), 0 where an honest one suffered'

const SECONDS = { short: 12, full: 120 }
const ADDRESSES = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']
/** Ten times what the network makes. */
const HONEST_PER_SECOND = 5
const LIMITS = { p99Ms: 50, delayMs: 20, keptMiB: 64 }
/** How long the last honest message may take, and how long memory has to come back, ms. */
const SETTLE = 5_000
const CALM = 30_000
const LOOK_EVERY = 1_000
const MIB = 1_048_576
const RUST = fileURLToPath(new URL('../../test/peers/rust/target/release/rust-peer', import.meta.url))

const heldMiB = async (node: BenchNode): Promise<number> => {
  const { external, heapUsed } = await node.ask('holdings')
  return (external + heapUsed) / MIB
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub'])
  const seconds = options.set['full'] === undefined ? Math.max(5, SECONDS.short * options.scale) : SECONDS.full
  const nodes = new Nodes()
  const attackers = new Attackers()
  const rust = existsSync(RUST) ? new RustPeer('rust', RUST) : undefined
  if (rust === undefined) options.log('the Rust peer is not built: it is left out (npm run interop builds it)')
  try {
    const [victim, honest] = [await nodes.start('service', { exposed: true }), await nodes.start('service')]
    await inLine([victim, honest])
    await rust?.start()
    await rust?.call('dial', { addr: victim.address })
    await sendTxList(honest)
    const chain = await chainOf()
    const publish = async (forSeconds: number): Promise<readonly number[]> => published(victim, honest, chain.next(Math.round(HONEST_PER_SECOND * forSeconds)))
    await publish(5)
    if (rust !== undefined) await until(async () => meshed(victim, rust), 40_000)
    const before = await heldMiB(victim)
    const alone = await publish(5)

    const over = new AbortController()
    const watching = watch(victim, rust, over.signal)
    const attacking = attackers.obey({ what: 'siege', target: { address: victim.address, discovery: victim.started.discovery }, seed: Number(options.set['seed'] ?? 1), ms: seconds * 1_000, addresses: ADDRESSES })
    await victim.ask('usage')
    const latencies = await publish(seconds)
    const usage = await victim.ask('usage')
    over.abort()
    const [outOfMesh, report] = [await watching, await attacking]
    const blamed = await victim.ask('blamed')
    const honestBlamed = (blamed[honest.peerId] ?? 0) + (rust === undefined ? 0 : blamed[rust.peerId] ?? 0)
    const bans = (await rust?.bans())?.length ?? 0
    let kept = Infinity
    await until(async () => (kept = await heldMiB(victim) - before) < LIMITS.keptMiB, CALM)

    const arrived = latencies.filter(ms => !Number.isNaN(ms))
    const share = arrived.length / latencies.length
    const [p99Ms, p99AloneMs] = [quantile(arrived, 0.99), quantile(alone.filter(ms => !Number.isNaN(ms)), 0.99)]
    const unharmed = share === 1 && honestBlamed === 0 && outOfMesh === 0 && bans === 0
    const ratio = unharmed ? Math.min(LIMITS.p99Ms / p99Ms, LIMITS.delayMs / usage.ownDelayP99Ms, LIMITS.keptMiB / Math.max(1, kept)) : 0
    options.log(table(['attack', 'made', 'went no further than its beginning'], Object.entries(report).map(([name, { made, refused }]) => [name, String(made), String(refused)])))
    options.log(`${Object.keys(blamed).length} names blamed; p99 ${figure(p99AloneMs)} ms without the siege; the main thread ${figure(100 * usage.mainMs / usage.wallMs)} % busy, ${figure(100 * usage.waitedMs / usage.wallMs)} % waiting for a core`)
    const figures = {
      honestShare: share, p99Ms, p50Ms: quantile(arrived, 0.5), p99AloneMs, delayP99Ms: usage.ownDelayP99Ms, wallDelayP99Ms: usage.delayP99Ms, keptMiB: kept, honestBlamed, bansByRust: bans,
      looksOutOfMesh: outOfMesh, rust: Number(rust !== undefined), seconds,
    }
    return { bench: 'siege', figures, ratio, goal: 1, pass: ratio >= 1 }
  } finally {
    attackers.stop()
    await rust?.stop()
    await nodes.stopAll()
  }
}

/** Publishes evenly; gives how long each took to the victim's application, NaN for what did not come. */
async function published(victim: BenchNode, honest: BenchNode, messages: readonly Uint8Array[]): Promise<readonly number[]> {
  const { calledMs } = await honest.ask('publish', { topic: 'commitments', messages, perSecond: HONEST_PER_SECOND }, { withinMs: 300_000 })
  const at = new Map<number, number>()
  await until(async () => {
    const { atMs, heights } = await victim.ask('arrivals')
    heights.forEach((height, index) => at.set(height, atMs[index]!))
    return messages.every(message => at.has(heightOf(message)))
  }, SETTLE)
  return messages.map((message, index) => at.has(heightOf(message)) ? at.get(heightOf(message))! - calledMs[index]! : NaN)
}

async function meshed(victim: BenchNode, rust: RustPeer): Promise<boolean> {
  const ours = (await victim.ask('peers')).find(({ peer }) => peer === rust.peerId)
  const theirs = (await rust.peers()).find(({ peer }) => peer === victim.peerId)
  return ours?.inMesh === true && theirs?.mesh.commitments === true && theirs.mesh.txLists
}

/** Gives how many looks found the Rust peer and the victim out of each other's meshes. */
async function watch(victim: BenchNode, rust: RustPeer | undefined, over: AbortSignal): Promise<number> {
  let out = 0
  while (rust !== undefined && !over.aborted) {
    if (!await meshed(victim, rust)) out++
    await sleep(LOOK_EVERY, undefined, { signal: over }).catch(() => undefined)
  }
  return out
}

async function until(condition: () => Promise<boolean>, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(100)) if (await condition()) return true
  return false
}
