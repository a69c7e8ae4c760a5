/** The table of what `/metrics` tells: each series' name, help and labels, and where its values stand in the figures. */
import type { ActorSnapshot, TreeSnapshot } from '../../actors/kernel/index.js'
import { REFUSALS, VIOLATIONS, newCounters } from '../../actors/network/figures.js'
import type { NetworkFigures } from '../../actors/network/figures.js'
import type { PeerInfo } from '../../actors/network/ingress.js'
import type { Standing } from '../../actors/reputation/ingress.js'
import type { Figures, Health } from '../../actors/service/index.js'
import { LANES } from '../../actors/validator/lanes.js'
import { Finding, REQUEST_KINDS } from '../../protocol/index.js'
import { READINESS_PARTS } from '../readiness.js'
import type { Readiness } from '../readiness.js'
import { DROPS, REQUEST_FAILURES, TOPICS } from './labels.js'

/** What is read at one scrape. */
export interface Reading {
  readonly figures: Figures
  readonly health: Health
  readonly readiness: Readiness
  readonly peers: readonly PeerInfo[]
  readonly standings: readonly Standing[]
}

type Labels = Readonly<Record<string, string>>
export type Put = (value: number | bigint | undefined, labels?: Labels) => void
export interface Series {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly labels?: readonly string[]
  /** Puts every value; `undefined`, from a part that does not answer, stands for zero. */
  readonly read: (from: Reading, put: Put) => void
}

const gauge = (name: string, help: string, read: Series['read'], labels: readonly string[] = []): Series => ({ name: `preconf_${name}`, type: 'gauge', help, labels, read })
const counter = (name: string, help: string, read: Series['read'], labels: readonly string[] = []): Series => ({ name: `preconf_${name}_total`, type: 'counter', help, labels, read })

const ZERO = newCounters()
const of = ({ figures }: Reading): Omit<NetworkFigures, 'now'> => figures.network ?? ZERO
const flag = (value: boolean | undefined): number => value === true ? 1 : 0

function * actorsOf(tree: TreeSnapshot): IterableIterator<ActorSnapshot> {
  for (const child of tree.children) {
    if (child.kind === 'tree') yield * actorsOf(child)
    else {
      yield child
      for (const held of child.holds) yield * actorsOf(held)
    }
  }
}

const perActor = (read: (actor: ActorSnapshot) => number): Series['read'] => ({ figures }, put) => {
  for (const actor of actorsOf(figures.tree)) put(read(actor), { actor: actor.path })
}

/** Of a list, for a gauge each. */
function spread(values: readonly number[], put: Put): void {
  const sorted = [...values].sort((a, b) => a - b)
  for (const [stat, value] of [['min', sorted[0]], ['median', sorted[sorted.length >> 1]], ['max', sorted.at(-1)]] as const) put(value, { stat })
}

const perKind = (counts: (from: Reading) => Readonly<Record<string, number>>): Series['read'] => (from, put) => {
  for (const kind of REQUEST_KINDS) put(counts(from)[kind], { kind })
}
const perTopic = (counts: (from: Reading) => Readonly<Record<string, number>>): Series['read'] => (from, put) => {
  for (const topic of TOPICS) put(counts(from)[topic], { topic })
}

const kernel: readonly Series[] = [
  gauge('actor_depth', 'Messages that wait in the mailbox.', perActor(({ depth }) => depth), ['actor']),
  gauge('actor_high_water', 'Most messages that have waited at a time.', perActor(({ highWater }) => highWater), ['actor']),
  gauge('actor_capacity', 'Messages that may wait.', perActor(({ capacity }) => capacity), ['actor']),
  gauge('actor_running', '1 where the actor runs.', perActor(({ phase }) => flag(phase === 'running')), ['actor']),
  counter('actor_handled', 'Messages handled.', perActor(({ handled }) => handled), ['actor']),
  counter('actor_restarts', 'Restarts.', perActor(({ restarts }) => restarts), ['actor']),
  counter('actor_wait_seconds', 'Time that messages have waited.', perActor(({ wait }) => wait.sumMs / 1_000), ['actor']),
  counter('actor_handling_seconds', 'Time in handlers, their awaits included.', perActor(({ handling }) => handling.sumMs / 1_000), ['actor']),
  counter('actor_drops', 'Messages that were not handled, by reason.', ({ figures }, put) => {
    for (const { path, drops } of actorsOf(figures.tree)) for (const reason of DROPS) put(drops[reason], { actor: path, reason })
  }, ['actor', 'reason']),
]

const gossip: readonly Series[] = [
  counter('gossip_received', 'Gossip messages handed to the validator.', perTopic(from => of(from).gossip.received), ['topic']),
  counter('gossip_received_bytes', 'Their bytes.', perTopic(from => of(from).gossip.receivedBytes), ['topic']),
  counter('gossip_published', 'Messages of our own.', perTopic(from => of(from).gossip.published), ['topic']),
  counter('gossip_verdicts', 'Verdicts that gossipsub was told.', (from, put) => {
    for (const topic of TOPICS) for (const [verdict, n] of Object.entries(of(from).gossip.verdicts[topic])) put(n, { topic, verdict })
  }, ['topic', 'verdict']),
  counter('gossip_refused', 'Messages that were turned away before they were judged, by reason.', (from, put) => {
    for (const topic of [...TOPICS, 'other'] as const) for (const reason of REFUSALS) put(of(from).gossip.refused[topic][reason], { topic, reason })
  }, ['topic', 'reason']),
  counter('handshake_refused', 'Connections that went no further than their handshake or framing, by reason.', (from, put) => {
    for (const [reason, n] of Object.entries(of(from).handshake)) put(n, { reason })
  }, ['reason']),
  counter('violations', 'Breaches of the protocol, a deadline or a limit.', (from, put) => {
    for (const violation of VIOLATIONS) put(of(from).violations[violation], { violation })
  }, ['violation']),
  counter('findings', 'Messages checked by the worker threads, by lane and finding.', ({ figures: { validator } }, put) => {
    for (const lane of LANES) for (const finding of Object.keys(Finding) as (keyof typeof Finding)[]) put(validator?.findings[lane][finding], { lane, finding })
  }, ['lane', 'finding']),
]

const peers: readonly Series[] = [
  gauge('peers', 'Connected peers.', ({ peers: all }, put) => {
    for (const direction of ['inbound', 'outbound']) put(all.filter(each => each.connections > 0 && each.direction === direction).length, { direction })
  }, ['direction']),
  gauge('mesh_peers', 'Peers in our mesh.', ({ peers: all }, put) => { for (const topic of TOPICS) put(all.filter(({ mesh }) => mesh[topic]).length, { topic }) }, ['topic']),
  gauge('peer_gossip_score', 'gossipsub\'s scores of the connected peers.', ({ peers: all }, put) => { spread(all.map(({ score }) => score), put) }, ['stat']),
  gauge('peer_reputation', 'Reputations of all peers of whom anything is kept.', ({ standings }, put) => { spread(standings.map(({ reputation }) => reputation), put) }, ['stat']),
  gauge('bans', 'Bans that stand.', ({ figures }, put) => { put(figures.reputation?.bans) }),
  gauge('blocked_rules', 'Entries of the block list.', ({ figures }, put) => { put(figures.reputation?.blocked) }),
  gauge('static_peers_unreached', 'Static peers that are not reached.', ({ figures }, put) => { put(figures.network?.now.unreached.length) }),
  counter('connections_opened', 'Connections opened.', (from, put) => { put(of(from).connections.opened) }),
  counter('connections_closed', 'Connections closed.', (from, put) => { put(of(from).connections.closed) }),
  counter('dials', 'Dials.', (from, put) => { put(of(from).connections.dials) }),
  counter('dials_failed', 'Dials that failed.', (from, put) => { put(of(from).connections.dialsFailed) }),
  gauge('discovery_remembered', 'Peers that a restart comes back to.', ({ figures }, put) => { put(figures.discovery?.remembered) }),
  gauge('discovery_known', 'Nodes in discovery\'s routing table.', ({ figures }, put) => { put(figures.discovery?.known) }),
]

const requests: readonly Series[] = [
  counter('requests_sent', 'Requests to peers.', perKind(from => of(from).requests.sent), ['kind']),
  counter('requests_answered', 'Requests that were answered.', perKind(from => of(from).requests.answered), ['kind']),
  counter('requests_failed', 'Requests that failed, by code.', (from, put) => {
    for (const code of REQUEST_FAILURES) put(of(from).requests.failed[code], { code })
  }, ['code']),
  counter('served', 'Requests of others that we answered.', perKind(from => of(from).serving.served), ['kind']),
  counter('served_bytes', 'Bytes of those answers.', perKind(from => of(from).serving.bytes), ['kind']),
  counter('served_empty', 'Requests of others that nobody had an answer for in time.', perKind(from => of(from).serving.empty), ['kind']),
  counter('served_delayed', 'Requests of others that had to wait for their turn.', perKind(from => of(from).serving.delayed), ['kind']),
]

const chain: readonly Series[] = [
  gauge('head', 'Block number of our head.', ({ health }, put) => { put(health.head?.blockNumber) }),
  gauge('highest_known', 'Highest block of an elected signer that waits above the head.', ({ health }, put) => { put(health.known) }),
  gauge('highest_announced', 'Highest head that a peer announces.', ({ health }, put) => { put(health.announced) }),
  gauge('confirmed_tip', 'The confirmed tip.', ({ figures }, put) => { put(figures.chain?.confirmedTip?.blockNumber) }),
  gauge('pending_parents', 'Commitments that wait for their parent.', ({ figures }, put) => { put(figures.chain?.pendingParents) }),
  gauge('pending_schedule', 'Commitments that wait for the schedule.', ({ figures }, put) => { put(figures.chain?.pendingSchedule) }),
  gauge('unstored', 'Records that are not durable yet.', ({ figures }, put) => { put(figures.chain?.unstored) }),
  gauge('sync_running', '1 while a catch-up runs.', ({ figures }, put) => { put(flag(figures.sync?.running !== undefined)) }),
  gauge('sync_at', 'The block that the catch-up has come to.', ({ figures }, put) => { put(figures.sync?.running?.at) }),
  gauge('sync_to', 'The block that the catch-up goes to.', ({ figures }, put) => { put(figures.sync?.running?.to) }),
  gauge('sync_failed_runs', 'Catch-ups that have ended incomplete since one did not.', ({ figures }, put) => { put(figures.sync?.failedRuns) }),
  gauge('sync_missing_txlists', 'Txlists that are being fetched.', ({ figures }, put) => { put(figures.sync?.missingTxLists) }),
  gauge('unheard_peers', 'Peers whose gossip does not reach us.', ({ figures }, put) => { put(figures.sync?.unheard.length) }),
  gauge('schedule_head_age_seconds', 'Age of the newest L1 block that is known.', ({ figures }, put) => { put(figures.schedule?.headAge) }),
  counter('l1_calls', 'Calls to L1 endpoints.', ({ figures }, put) => { put(figures.schedule?.rpcCalls) }),
  counter('l1_failures', 'Calls to L1 endpoints that failed.', ({ figures }, put) => { put(figures.schedule?.rpcFailures) }),
  gauge('l1_has', 'The last block that L1 has by the L2 clients.', ({ figures }, put) => { put(figures.confirmations?.tip?.blockNumber) }),
  gauge('l1_has_age_seconds', 'Seconds since the L2 clients were read.', ({ figures }, put) => { put(figures.confirmations?.age) }),
  counter('l1_has_less', 'How often L1 had less of the chain than before.', ({ figures }, put) => { put(figures.confirmations?.wentBack) }),
  counter('l2_calls', 'Calls to L2 clients.', ({ figures }, put) => { put(figures.confirmations?.rpcCalls) }),
  counter('l2_failures', 'Calls to L2 clients that failed.', ({ figures }, put) => { put(figures.confirmations?.rpcFailures) }),
]

const keeping: readonly Series[] = [
  gauge('store_commitments', 'Commitments kept.', ({ figures }, put) => { put(figures.store?.stats.commitments) }),
  gauge('store_txlists', 'Txlists kept.', ({ figures }, put) => { put(figures.store?.stats.txLists) }),
  gauge('store_txlist_bytes', 'Bytes of the txlists kept.', ({ figures }, put) => { put((figures.store?.stats.referencedBytes ?? 0) + (figures.store?.stats.unreferencedBytes ?? 0)) }),
  gauge('store_waiting', 'Writes taken and not yet on disk.', ({ figures }, put) => { put(figures.store?.waiting) }),
  gauge('store_failing', '1 while the database refuses writes.', ({ figures }, put) => { put(flag(figures.store?.failing !== undefined)) }),
  gauge('store_evidence', 'Pieces of evidence kept.', ({ figures }, put) => { put(figures.store?.stats.evidence) }),
  gauge('pool_threads', 'Worker threads that run.', ({ figures }, put) => { put(figures.validator?.workers.length) }),
  gauge('pool_threads_wanted', 'Worker threads that there should be.', ({ figures }, put) => { put(figures.validator?.threads) }),
  gauge('pool_waiting', 'Messages that wait for a worker thread.', ({ figures }, put) => { for (const lane of LANES) put(figures.validator?.waiting[lane].messages, { lane }) }, ['lane']),
  counter('pool_batches', 'Batches given to worker threads.', ({ figures }, put) => { put(figures.validator?.batches) }),
  counter('pool_deaths', 'Worker threads that died and were replaced.', ({ figures }, put) => { put(figures.validator?.deaths) }),
  gauge('slow_signatures', '1 where signatures are recovered with a slow library.', ({ figures }, put) => { put(flag(figures.validator?.degraded)) }),
  gauge('batch_verification_off', '1 once the batch module was wrong.', ({ figures }, put) => { put(flag(figures.validator?.together.off)) }),
]

const health: readonly Series[] = [
  gauge('ready', '1 where /readyz says so.', ({ readiness }, put) => { put(flag(readiness.ready)) }),
  gauge('ready_part', '1 where this part is ready.', ({ readiness }, put) => { for (const part of READINESS_PARTS) put(flag(readiness.parts[part].ready), { part }) }, ['part']),
]

export const SERIES: readonly Series[] = [...health, ...chain, ...gossip, ...peers, ...requests, ...keeping, ...kernel]
