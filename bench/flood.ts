import { figure, logVersions, quantile, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { chainOf, heightOf } from './net/blocks.js'
import type { Chain } from './net/blocks.js'
import { ATTACKS, attackMessages } from './net/attacks.js'
import type { Attack } from './net/attacks.js'
import { Nodes, inLine, sendTxList } from './net/nodes.js'
import type { BenchNode } from './net/nodes.js'
import type { FloodReport, Usage } from './net/wire.js'

export const about = 'honest commitments beside 2,000 messages a second, in turn: Rejects from rotating identities, unknown windows, high-S copies, '
  + 'unreferenced txlists; each beside the same time without, and beside the same flood of another node on this machine, which tells what of it is '
  + 'the machine\'s. Passes at an honest share of 1, an event loop delayed less than 20 ms (p99), and a '
  + 'latency p99 below twice that without flood. ratio: the worst of (limit ÷ seen); the delay is that of the loop itself, without '
  + 'the time in which the machine had no core for it. --set attack=NAME for one of them'

const PER_SECOND = 2_000
const SECONDS = 8
/** Before each measured flood, one that is not: the first flood of a process finds code that is not compiled yet. */
const WARM_SECONDS = 2
/** Forty times the real network's, and below a peer's budget. */
const HONEST_PER_SECOND = 40
const LIMITS = { delayMs: 20, latency: 2 }
/** How long the last honest message may take, ms. */
const SETTLE = 3_000

/** What the node in question saw in one turn. */
interface Turn { readonly published: number; readonly arrived: number; readonly latencies: readonly number[]; readonly usage: Usage; readonly flood: FloodReport | undefined }

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub', 'piscina'])
  const nodes = new Nodes()
  const only = options.set['attack']
  const attacks = ATTACKS.filter(attack => only === undefined || attack === only)
  const seconds = Math.max(2, SECONDS * options.scale)
  try {
    const honest = await nodes.start('service')
    const victim = await nodes.start('service')
    const bystander = await nodes.start('service')
    await inLine([honest, victim])
    await sendTxList(honest)
    const chain = await chainOf()
    await turn({ honest, victim, chain, seconds: 3 })
    let floods = 0
    const flooded = async (attack: Attack, of: BenchNode, forSeconds: number): Promise<Turn> => {
      const attacker = await attackerOf(nodes, attack, forSeconds, ++floods)
      try { return await turn({ honest, victim, chain, seconds: forSeconds, flood: { attacker, of } }) } finally { await nodes.stop(attacker) }
    }
    const turns: Turns[] = []
    for (const attack of attacks) {
      await flooded(attack, victim, WARM_SECONDS)
      const without = await turn({ honest, victim, chain, seconds })
      const elsewhere = await flooded(attack, bystander, seconds)
      turns.push({ attack, without, elsewhere, beside: await flooded(attack, victim, seconds) })
    }
    if (options.set['figures'] !== undefined) options.log(await victim.ask('figures'))
    return report(options, turns)
  } finally {
    await nodes.stopAll()
  }
}

/** A process with so many seconds of messages, ready to be sent. It stands for machines elsewhere, so it takes the cores that are left. */
async function attackerOf(nodes: Nodes, attack: Attack, seconds: number, salt: number): Promise<BenchNode> {
  const attacker = await nodes.start('bare', { listen: false })
  attacker.yieldCores()
  await attacker.ask('prepare', await attackMessages(attack, Math.round(PER_SECOND * seconds), salt))
  return attacker
}

/** One attack: the node alone, while another one is flooded, while it is itself. */
interface Turns { readonly attack: Attack; readonly without: Turn; readonly elsewhere: Turn; readonly beside: Turn }

interface Stage {
  readonly honest: BenchNode
  readonly victim: BenchNode
  readonly chain: Chain
  readonly seconds: number
  readonly flood?: { readonly attacker: BenchNode; readonly of: BenchNode }
}

async function turn({ honest, victim, chain, seconds, flood: toCome }: Stage): Promise<Turn> {
  const flooding = toCome?.attacker.ask('flood', { address: toCome.of.address, perSecond: PER_SECOND })
  if (flooding !== undefined) await new Promise(resolve => { setTimeout(resolve, 500) })
  const messages = chain.next(Math.round(HONEST_PER_SECOND * seconds))
  await victim.ask('usage')
  const { calledMs } = await honest.ask('publish', { topic: 'commitments', messages, perSecond: HONEST_PER_SECOND })
  const usage = await victim.ask('usage')
  const flood = await flooding
  for (const until = performance.now() + SETTLE; await victim.ask('count') < messages.length && performance.now() < until;) {
    await new Promise(resolve => { setTimeout(resolve, 50) })
  }
  const { heights, atMs } = await victim.ask('arrivals')
  const at = new Map([...heights].map((height, index) => [height, atMs[index]!]))
  const latencies = messages.map((message, index) => at.get(heightOf(message))! - calledMs[index]!).filter(ms => !Number.isNaN(ms))
  return { published: messages.length, arrived: latencies.length, latencies, usage, flood }
}

function report(options: BenchOptions, turns: readonly Turns[]): BenchResult {
  const figures: Record<string, number> = {}
  const rows: string[][] = []
  let [honestShare, delayP99Ms, latencyTimes, ratio] = [1, 0, 0, Infinity]
  for (const { attack, without, elsewhere, beside } of turns) {
    const share = beside.arrived / beside.published
    const p99 = quantile(beside.latencies, 0.99)
    const times = p99 / quantile(without.latencies, 0.99)
    honestShare = Math.min(honestShare, share)
    delayP99Ms = Math.max(delayP99Ms, beside.usage.ownDelayP99Ms)
    latencyTimes = Math.max(latencyTimes, times)
    ratio = Math.min(ratio, share < 1 ? 0 : LIMITS.delayMs / beside.usage.ownDelayP99Ms, LIMITS.latency / times)
    Object.assign(figures, {
      [`${attack}Share`]: share, [`${attack}DelayP99Ms`]: beside.usage.ownDelayP99Ms, [`${attack}WallDelayP99Ms`]: beside.usage.delayP99Ms, [`${attack}P99Ms`]: p99, [`${attack}Times`]: times, [`${attack}ElsewhereP99Ms`]: quantile(elsewhere.latencies, 0.99),
      [`${attack}Sent`]: beside.flood?.sent ?? 0, [`${attack}Identities`]: beside.flood?.identities ?? 0,
    })
    const both = (of: (turn: Turn) => number): string => `${figure(of(without))} → ${figure(of(beside))}`
    rows.push([
      attack, `${beside.flood?.sent ?? 0} of ${beside.flood?.identities ?? 0}`, figure(share), both(({ usage }) => usage.ownDelayP99Ms), both(({ usage }) => usage.delayP99Ms),
      ...[0.5, 0.99].map(p => [without, elsewhere, beside].map(({ latencies }) => figure(quantile(latencies, p))).join(' → ')), both(({ usage }) => 100 * usage.mainMs / usage.wallMs),
      both(({ usage }) => 100 * usage.waitedMs / usage.wallMs),
    ])
  }
  options.log(table(['', 'sent, identities', 'honest share', 'loop delay p99', 'with waits for a core', 'latency p50, ms: alone → other node flooded → flooded', 'p99, ms', 'main thread, %', 'waits for a core, %'], rows))
  return { bench: 'flood', figures: { honestShare, delayP99Ms, latencyTimes, ...figures }, ratio, goal: 1, pass: ratio >= 1 }
}
