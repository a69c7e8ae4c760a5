import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { figure, logVersions, table } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { TIP, chainOf } from './net/blocks.js'
import { Nodes, inLine, sendTxList } from './net/nodes.js'
import { slope } from './net/slope.js'
import type { Holdings } from './net/wire.js'

export const about = 'memory and handles of a node under steady load with churn: commitments and txlists from one peer, requests of another node, and '
  + 'peers that come, ask and leave. Passes when the heap is flat after the first third, and when no more handles are open afterwards than before. '
  + '--set seconds=60'

const SECONDS = 60
const PER_SECOND = 10
/** One of ours asks the node so often, a second. */
const REQUESTS = 2
/** A peer comes and goes in so many ms. */
const VISIT_MS = 1_000
const SAMPLE_MS = 1_500
/** What comes first is caches that fill and code that is compiled. */
const WARM_UP = 1 / 3
/** Caches that forget by time are full after so many seconds: gossipsub's of what it has seen (SPEC §5). */
const CACHES_FULL_S = 120 / WARM_UP
/** Flat: growth within a minute at most, as a share of the heap; while such caches still fill, 10 messages a second at 6 kB. */
const FLAT = { heap: 0.03, heapWhileFilling: 0.15 }
/** Handles more than before at most: timers come and go. */
const HANDLES_MORE = 2
/** What was under way at the end may take so long, ms. */
const SETTLE = 2_000

interface Sampled extends Holdings { readonly atS: number; readonly handles: number }

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@libp2p/gossipsub', 'classic-level'])
  const seconds = Math.max(12, Number(options.set['seconds'] ?? SECONDS) * options.scale)
  const nodes = new Nodes()
  const dataDir = await mkdtemp(join(tmpdir(), 'soak-'))
  try {
    const publisher = await nodes.start('service')
    const subject = await nodes.start('service', { dataDir })
    const visitors = await nodes.start('bare')
    await inLine([publisher, subject])
    await sendTxList(publisher)
    const chain = await chainOf()
    const visiting = visitors.ask('comeAndGo', { address: subject.address, peers: Math.floor(seconds * 1_000 / VISIT_MS), everyMs: VISIT_MS }, { withinMs: seconds * 3_000 })
    const handlesBefore = handlesOf(await subject.ask('holdings'))
    const samples: Sampled[] = []
    const start = performance.now()
    const second = (): number => (performance.now() - start) / 1_000
    const answered = { requests: 0 }
    const asking = (async () => {
      while (second() < seconds) {
        answered.requests += await publisher.ask('request', { peerId: subject.peerId, start: TIP + 1, count: 16 }).catch(() => 0) > 0 ? 1 : 0
        await new Promise(resolve => { setTimeout(resolve, 1_000 / REQUESTS) })
      }
    })()
    const sampling = (async () => {
      while (second() < seconds) {
        await new Promise(resolve => { setTimeout(resolve, SAMPLE_MS) })
        const holdings = await subject.ask('holdings')
        samples.push({ ...holdings, atS: second(), handles: handlesOf(holdings) })
      }
    })()
    let published = 0
    while (second() < seconds) {
      const { failed } = await publisher.ask('publish', { topic: 'commitments', messages: chain.next(PER_SECOND), perSecond: PER_SECOND })
      published += PER_SECOND - failed
    }
    await Promise.all([asking, sampling])
    const visits = await visiting
    await new Promise(resolve => { setTimeout(resolve, SETTLE) })
    const after = await subject.ask('holdings')
    const arrived = await subject.ask('count')
    return report(options, { seconds, samples, published, arrived, requests: answered.requests, visits, handlesBefore, after })
  } finally {
    await nodes.stopAll()
    await rm(dataDir, { recursive: true, force: true })
  }
}

interface Seen { readonly seconds: number; readonly samples: readonly Sampled[]; readonly published: number; readonly arrived: number; readonly requests: number; readonly visits: number; readonly handlesBefore: number; readonly after: Holdings }

const handlesOf = ({ resources }: Holdings): number => Object.values(resources).reduce((sum, count) => sum + count, 0)

function report(options: BenchOptions, { seconds, samples, published, arrived, requests, visits, handlesBefore, after }: Seen): BenchResult {
  const steady = samples.filter(({ atS }) => atS > seconds * WARM_UP)
  const mean = (of: (sample: Sampled) => number): number => steady.reduce((sum, sample) => sum + of(sample), 0) / steady.length
  const perMinute = (of: (sample: Sampled) => number): number => slope(steady.map(sample => [sample.atS, of(sample)])) * 60
  const heap = perMinute(({ heapUsed }) => heapUsed) / mean(({ heapUsed }) => heapUsed)
  const handles = perMinute(sample => sample.handles)
  const handlesAfter = handlesOf(after)
  options.log(table(['of the node in question', 'mean', 'growth a minute'], [
    ['heap, MB', figure(mean(({ heapUsed }) => heapUsed) / 1e6), `${figure(heap * 100)} %`],
    ['resident, MB', figure(mean(({ rss }) => rss) / 1e6), `${figure(perMinute(({ rss }) => rss) / 1e6)} MB`],
    ['handles', figure(mean(sample => sample.handles)), figure(handles)],
  ]))
  options.log(`handles afterwards, with one peer: ${Object.entries(after.resources).map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
  return {
    bench: 'soak',
    figures: {
      seconds, published, arrived, requestsAnswered: requests, visitorsAnswered: visits, heapMb: after.heapUsed / 1e6, rssMb: after.rss / 1e6,
      heapGrowthPerMinute: heap, rssGrowthMbPerMinute: perMinute(({ rss }) => rss) / 1e6, handlesBefore, handlesAfter, handlesGrowthPerMinute: handles,
    },
    pass: heap <= (seconds >= CACHES_FULL_S ? FLAT.heap : FLAT.heapWhileFilling) && handlesAfter <= handlesBefore + HANDLES_MORE && arrived >= published,
  }
}
