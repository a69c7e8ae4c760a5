/** A node in a process of its own: `node-process.js service|bare`, told what to do over IPC (`wire.ts`). */
import { setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from './clock.js'
import { evenly } from './pace.js'
import { ArrivalRecorder, UsageRecorder } from './recorder.js'
import type { StartSubject, Subject } from './subject.js'
import type { Command, NodeApi, NodeOptions, Publication, Published, Reply, Request } from './wire.js'

/** Only one of them is loaded: what the other needs is no part of this one's start. */
async function starterOf(role: string | undefined): Promise<StartSubject> {
  if (role === 'libp2p') return (await import('./libp2p-node.js')).startLibp2p
  return role === 'bare' ? (await import('./bare-node.js')).startBare : (await import('./service-node.js')).startService
}

const usage = new UsageRecorder()
const arrivals = new ArrivalRecorder()
let running: Subject | undefined

function subject(): Subject {
  if (running === undefined) throw new Error('the node has not started')
  return running
}

async function publish({ topic, messages, perSecond, atOnce = 1, forMs = Infinity }: Publication): Promise<Published> {
  const node = subject()
  const calledMs = new Float64Array(messages.length).fill(NaN)
  const end = nowMs() + forMs
  const underWay: Promise<void>[] = []
  let failed = 0
  let firstError: string | undefined
  const one = async (at: number): Promise<void> => {
    calledMs[at] = nowMs()
    try {
      await node.publish(topic, messages[at]!)
    } catch (error) {
      failed++
      firstError ??= String(error)
    }
  }
  if (perSecond === undefined) {
    let at = 0
    for (let lane = 0; lane < atOnce; lane++) underWay.push((async () => { while (at < messages.length && nowMs() < end) await one(at++) })())
  } else await evenly(messages.length, perSecond, at => { underWay.push(one(at)) })
  await Promise.all(underWay)
  return { calledMs, failed, firstError }
}

const api: NodeApi = {
  async start(options: NodeOptions) {
    const start = await starterOf(process.argv[2])
    running = await start(options, { arrivals, usage })
    return { peerId: running.peerId, address: running.address, atMs: nowMs(), discovery: running.discovery }
  },
  dial: async address => subject().dial(address),
  hangUp: async peerId => subject().hangUp(peerId),
  async meshed(peers) { while (await subject().meshPeers() < peers) await sleep(10) },
  publish,
  prepare: async publication => subject().prepare(publication),
  blast: async to => subject().blast(to),
  flood: async attack => subject().flood(attack),
  comeAndGo: async visits => subject().comeAndGo(visits),
  count: async () => Promise.resolve(arrivals.count),
  arrivals: async () => Promise.resolve(arrivals.take()),
  usage: async () => Promise.resolve(usage.usage()),
  holdings: async () => Promise.resolve(usage.holdings()),
  request: async ask => subject().request(ask),
  peers: async () => subject().peers?.() ?? [],
  blamed: async () => subject().blamed?.() ?? {},
  figures: async () => JSON.stringify(await subject().figures(), (_key, value: unknown) => typeof value === 'bigint' ? Number(value) : value),
  async stop() { await running?.stop() },
}

async function answer(command: Command, argument: unknown): Promise<{ readonly value: unknown } | { readonly error: string }> {
  try {
    return { value: await (api as Record<Command, (argument: unknown) => Promise<unknown>>)[command](argument) }
  } catch (error) {
    return { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
  }
}

process.on('message', ({ id, command, argument }: Request) => {
  void answer(command, argument).then(outcome => {
    process.send?.({ id, ...outcome } satisfies Reply, () => { if (command === 'stop') process.exit(0) })
  })
})
// A bench that ends takes its nodes with it.
process.on('disconnect', () => { process.exit(0) })
