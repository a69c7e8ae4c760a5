import { describeSample, logVersions, sample, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { chainOf } from './net/blocks.js'
import type { Chain } from './net/blocks.js'
import { Nodes, inLine, sendTxList } from './net/nodes.js'
import type { BenchNode } from './net/nodes.js'
import type { Role } from './net/wire.js'

export const about = 'commitments a second through one node over loopback TCP: taken from one peer, accepted, forwarded to another; beside bare '
  + 'js-libp2p gossipsub with StrictSign and no validation in its place. ratio: ours ÷ bare. --set prof=DIR writes CPU profiles of the middle'

const GOAL = 0.8
const ROUNDS = 5
const MESSAGES = 4_000
const WARM_UP = 1_500

/** A sender whose messages are signed beforehand, the node in question, and a receiver that only counts. */
interface Line { readonly from: BenchNode; readonly middle: BenchNode; readonly to: BenchNode; readonly chain: Chain; readonly rounds: Round[] }

interface Round { readonly perSecond: number; readonly mainUs: number; readonly allUs: number; readonly delayP99Ms: number; readonly lost: number }

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub', 'piscina', 'secp256k1'])
  const nodes = new Nodes()
  const { prof } = options.set
  try {
    const line = async (role: Role): Promise<Line> => {
      const from = await nodes.start('bare')
      const middle = await nodes.start(role, { unbounded: true }, prof === undefined ? undefined : ['--cpu-prof', `--cpu-prof-dir=${prof}`, `--cpu-prof-name=${role}.cpuprofile`])
      const to = await nodes.start('bare', { sink: true })
      await inLine([from, middle, to])
      return { from, middle, to, chain: await chainOf(), rounds: [] }
    }
    const lines = { bare: await line('bare'), service: await line('service') }
    const count = Math.max(100, Math.round(MESSAGES * options.scale))
    for (const { from } of [lines.bare, lines.service]) await sendTxList(from)
    for (const each of [lines.bare, lines.service]) await through(each, Math.min(count, WARM_UP))
    for (let round = 0; round < (options.rounds ?? ROUNDS); round++) {
      const order = [lines.bare, lines.service]
      if (round % 2 === 1) order.reverse()
      for (const each of order) each.rounds.push(await through(each, count))
    }
    return report(options, lines)
  } finally {
    await nodes.stopAll()
  }
}

/** How long nothing may arrive before the rest counts as lost, ms. */
const QUIET = 3_000

async function through({ from, middle, to, chain }: Line, count: number): Promise<Round> {
  await from.ask('prepare', { topic: 'commitments', messages: chain.next(count) })
  await middle.ask('usage')
  await from.ask('blast', { peerId: middle.peerId })
  let arrived = 0
  for (let quietSince = performance.now(); arrived < count && performance.now() - quietSince < QUIET;) {
    await new Promise(resolve => { setTimeout(resolve, 50) })
    const now = await to.ask('count')
    if (now > arrived) quietSince = performance.now()
    arrived = now
  }
  const { mainMs, allMs, delayP99Ms } = await middle.ask('usage')
  const { atMs } = await to.ask('arrivals')
  await middle.ask('arrivals')
  // from arrival to arrival: what the first one waited for is no rate
  const wallMs = atMs[atMs.length - 1]! - atMs[0]!
  return { perSecond: (arrived - 1) / wallMs * 1_000, mainUs: mainMs / arrived * 1_000, allUs: allMs / arrived * 1_000, delayP99Ms, lost: count - arrived }
}

function report(options: BenchOptions, { bare, service }: { readonly bare: Line; readonly service: Line }): BenchResult {
  const of = (line: Line, figure: keyof Round) => sample(line.rounds.map(round => round[figure]))
  const ratio = sample(service.rounds.map(({ perSecond }, round) => perSecond / bare.rounds[round]!.perSecond))
  const rows = ([['messages a second', 'perSecond'], ['main thread, µs a message', 'mainUs'], ['all threads, µs a message', 'allUs'],
    ['loop delay p99, ms', 'delayP99Ms'], ['lost', 'lost']] as const)
    .map(([title, figure]) => [title, describeSample(of(bare, figure)), describeSample(of(service, figure))])
  options.log(table(['through the middle', 'bare gossipsub', 'ours'], rows))
  return {
    bench: 'gossip',
    figures: {
      perSecond: of(service, 'perSecond').median, barePerSecond: of(bare, 'perSecond').median, ratioMin: ratio.min, ratioMax: ratio.max,
      mainUs: of(service, 'mainUs').median, bareMainUs: of(bare, 'mainUs').median,
      allUs: of(service, 'allUs').median, bareAllUs: of(bare, 'allUs').median,
      loopDelayP99Ms: of(service, 'delayP99Ms').median, bareLoopDelayP99Ms: of(bare, 'delayP99Ms').median,
      lost: of(service, 'lost').max, bareLost: of(bare, 'lost').max,
    },
    ratio: ratio.median, goal: GOAL, pass: ratio.median >= GOAL && of(service, 'lost').max === 0,
  }
}
