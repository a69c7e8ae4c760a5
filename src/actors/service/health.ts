import { systemClock, withinMs } from '../kernel/index.js'
import type { TreeSnapshot } from '../kernel/index.js'
import { messageOf } from '../../protocol/thrown.js'
import type { ChainStatus } from '../chain/ingress.js'
import type { DiscoveryFigures } from '../discovery/ingress.js'
import type { NetworkFigures } from '../network/ingress.js'
import type { Reputation } from '../reputation/ingress.js'
import type { ConfirmationFigures } from '../schedule/confirmed/ingress.js'
import type { ScheduleFigures } from '../schedule/ingress.js'
import type { SinkFigures } from '../sink/ingress.js'
import type { LossKind, StoreStanding } from '../store/ingress.js'
import type { SyncStatus } from '../sync/ingress.js'
import { BATCH_OFF_BY_CONFIGURATION } from '../validator/ingress.js'
import type { ValidatorFigures } from '../validator/ingress.js'
import type { Outlook } from './outlook.js'
import type { Tree } from './tree.js'

/** Why a node is not at its best. */
export interface Ailment {
  /**
   * `not_answering`, `store_failing`, `records_lost` (H60, H79), `own_equivocation` (H76), `signing_held`, `slow_signatures`,
   * `batch_verification_off`, `unheard` (H42), `static_peer_unreached` (H80), `behind` (H75), `no_peers`, `schedule_stale`,
   * `schedule_unread`, `tip_unread`, `tip_stale`, `sink_failing`.
   */
  readonly code: string
  readonly message: string
}

/** How the node is. */
export interface Health {
  /** `ok`: everything works. `degraded`: it goes on, and `ailments` say what is amiss. `stopping`: no more work is taken. */
  readonly status: 'ok' | 'degraded' | 'stopping'
  readonly ailments: readonly Ailment[]
  readonly peers: number
  readonly head: ChainStatus['head'] | undefined
  readonly next: bigint | undefined
  /** The highest block of an elected signer that waits above the head for what lies between (H75). */
  readonly known: bigint | undefined
  /** The highest head that a peer announces, of those that were not found to lie. */
  readonly announced: bigint | undefined
  /** Catch-ups that have ended `incomplete` since one did not. */
  readonly failedRuns: number | undefined
  readonly unstored: number | undefined
  /** Whether `stored` means on disk; false where everything is kept in memory. */
  readonly durable: boolean | undefined
  /** Which library recovers signatures (H36). */
  readonly signatures: string
}

/** Figures of every part, for export (H22, H36). Counters since the start of each part. */
export interface Figures {
  readonly tree: TreeSnapshot
  readonly validator: ValidatorFigures | undefined
  readonly network: NetworkFigures | undefined
  readonly chain: ChainStatus | undefined
  readonly store: StoreStanding | undefined
  readonly sync: SyncStatus | undefined
  /** Bans that stand, and entries of the operator's lists. */
  readonly reputation: AccessFigures | undefined
  /** `undefined` also where discovery is off. */
  readonly discovery: DiscoveryFigures | undefined
  /** `undefined` also where the schedule does not follow L1. */
  readonly schedule: ScheduleFigures | undefined
  /** `undefined` also where the confirmed tip is not read from L2. */
  readonly confirmations: ConfirmationFigures | undefined
  /** One for each sink (`service.sink`). */
  readonly sinks: readonly SinkFigures[]
}

export interface AccessFigures { readonly bans: number; readonly blocked: number; readonly protected: number; readonly allowed: number }

/** A part that is at work answers at once; one that is being restarted does not, ms. */
const ANSWER_WITHIN = 1_000

/** Asks every part. */
export async function figuresOf({ supervisor, ...parts }: Tree): Promise<Figures> {
  const [validator, network, chain, store, sync, reputation, discovery, schedule, confirmations, sinks] = await Promise.all([
    orUndefined(parts.validator.figures(ANSWER_WITHIN)), orUndefined(parts.network.figures(ANSWER_WITHIN)),
    orUndefined(parts.chain.standing(ANSWER_WITHIN)), orUndefined(parts.store.standing(ANSWER_WITHIN)),
    orUndefined(parts.sync.standing(ANSWER_WITHIN)), orUndefined(accessFigures(parts.reputation)),
    parts.discovery === undefined ? undefined : orUndefined(parts.discovery.figures(ANSWER_WITHIN)),
    parts.schedule === undefined ? undefined : orUndefined(parts.schedule.figures(ANSWER_WITHIN)),
    parts.confirmations === undefined ? undefined : orUndefined(parts.confirmations.figures(ANSWER_WITHIN)),
    parts.sinks.figures(ANSWER_WITHIN),
  ])
  return { tree: supervisor.describe(), validator, network, chain, store, sync, reputation, discovery, schedule, confirmations, sinks }
}

/** Why signatures are not checked together, where nobody has configured it so. */
function whyNoBatches({ together, workers }: ValidatorFigures): string | undefined {
  if (together.off) return 'the batch module was wrong, or failed'
  return workers.map(({ batchOff }) => batchOff).find(reason => reason !== undefined && reason !== BATCH_OFF_BY_CONFIGURATION)
}

async function accessFigures(reputation: Reputation): Promise<AccessFigures> {
  const [bans, lists] = await Promise.all([reputation.bans(ANSWER_WITHIN), reputation.lists(ANSWER_WITHIN)])
  return { bans: bans.length, blocked: lists.blocked.length, protected: lists.protected.length, allowed: lists.allowed.length }
}

/** What keeps us from signing, or should never have been signed. */
function * ofSigning({ store, chain }: Figures, held: boolean, now: number): IterableIterator<Ailment> {
  const loss = store?.stats.signing.loss
  if (loss !== undefined && loss.closedUpTo * 1_000n > BigInt(Math.floor(now))) {
    const message = `${LOSSES[loss.what]}; nothing is signed for windows that end at ${loss.closedUpTo} or before: see docs/operating-store.md`
    yield { code: 'records_lost', message }
  }
  const own = chain?.ownEquivocation
  if (own !== undefined) {
    const message = `our own key has signed two commitments that exclude each other, at height ${own.blockNumber} in the window that ends at ${own.submissionWindowEnd}: does another node sign with it?`
    yield { code: 'own_equivocation', message }
  }
  if (held) yield { code: 'signing_held', message: 'nothing is signed before the first catch-up has ended' }
}

const LOSSES: Readonly<Record<LossKind, string>> = {
  log: 'part of the database\'s log could not be read, and what was in it is gone',
  acknowledged: 'the end of what was said to be stored is gone, or an older copy was put back',
  table: 'a file of the database was missing or unreadable, and what is left was put together',
  signed: 'a record of what we signed was damaged',
  directory: 'the data directory is new, and peers show what our key signed before',
}

/** Never rejects: a part that does not answer is an ailment. */
export async function healthOf(tree: Tree, stopping: boolean, now: number, outlook?: Pick<Outlook, 'upcoming'>): Promise<Health> {
  const outage = tree.storeOutage.failing
  const [figures, peers, unread] = await Promise.all([figuresOf(tree), orUndefined(tree.network.peers(ANSWER_WITHIN)), whyUnread(tree, outlook)])
  const { validator, chain, store, sync } = figures
  const connected = peers?.filter(({ connections }) => connections > 0).length ?? 0
  const ailments: Ailment[] = []
  const parts = ['validator', 'network', 'chain', 'store', 'sync', 'reputation', ...tree.discovery === undefined ? [] : ['discovery' as const], ...tree.schedule === undefined ? [] : ['schedule' as const], ...tree.confirmations === undefined ? [] : ['confirmations' as const]] as const
  for (const part of parts) {
    if (figures[part] === undefined && !(part === 'store' && outage !== undefined)) ailments.push({ code: 'not_answering', message: `${part} does not answer` })
  }
  const failing = outage ?? store?.failing
  if (failing !== undefined) ailments.push({ code: 'store_failing', message: `${failing.code}: ${failing.message}` })
  ailments.push(...ofSigning(figures, tree.gate?.held === true, now))
  const signatures = [...new Set(validator?.workers.map(({ recover }) => recover))].join(', ')
  if (validator?.degraded === true) {
    ailments.push({ code: 'slow_signatures', message: `signatures are recovered with ${signatures}` })
  }
  const batchOff = validator === undefined ? undefined : whyNoBatches(validator)
  if (batchOff !== undefined) {
    ailments.push({ code: 'batch_verification_off', message: `every signature is recovered on its own: ${batchOff}` })
  }
  if (sync !== undefined && sync.unheard.length > 0) {
    const message = `what these peers gossip does not reach us, they may have graylisted us: ${sync.unheard.join(', ')}`
    ailments.push({ code: 'unheard', message })
  }
  for (const { addresses, peer, reason } of figures.network?.now.unreached ?? []) {
    ailments.push({ code: 'static_peer_unreached', message: `${peer} at ${addresses.join(', ')}: ${reason}` })
  }
  const behind = chain === undefined || sync === undefined ? undefined : behindOf(chain, sync)
  if (behind !== undefined) ailments.push({ code: 'behind', message: behind })
  const { schedule, confirmations } = figures
  if (schedule !== undefined && !schedule.fresh) ailments.push(unfollowed(schedule))
  if (confirmations !== undefined && !confirmations.fresh) ailments.push(unconfirmed(confirmations))
  for (const { name, failing: sink } of figures.sinks) {
    if (sink !== undefined) ailments.push({ code: 'sink_failing', message: `${name}: ${sink.message} (${sink.code})` })
  }
  if (unread !== undefined) ailments.push({ code: 'schedule_unread', message: unread })
  // Nobody knows while the network does not answer.
  if (peers !== undefined && connected === 0) ailments.push({ code: 'no_peers', message: 'no peer is connected' })
  return {
    status: stopping ? 'stopping' : ailments.length > 0 ? 'degraded' : 'ok',
    ailments, peers: connected,
    head: chain?.head, next: chain?.next, known: chain?.highest, announced: announcedBy(sync), failedRuns: sync?.failedRuns, unstored: chain?.unstored, durable: store?.durable, signatures,
  }
}

/** Why a schedule of the application's own, such as a file, does not answer. One that follows L1 says so by itself. */
async function whyUnread({ schedule }: Tree, outlook: Pick<Outlook, 'upcoming'> | undefined): Promise<string | undefined> {
  if (schedule !== undefined || outlook === undefined) return undefined
  try {
    return await withinMs(systemClock, ANSWER_WITHIN, outlook.upcoming()) ? undefined : 'the schedule does not answer'
  } catch (error) {
    return messageOf(error)
  }
}

/** Why nobody knows who may sign from now on. */
function unfollowed({ head, headAge, failing }: ScheduleFigures): Ailment {
  const because = failing === undefined ? '' : `: ${failing.message} (${failing.code})`
  return head === undefined ? { code: 'schedule_unread', message: `who may sign is not known yet: L1 has not been read${because}` }
    : { code: 'schedule_stale', message: `L1 is not followed, its newest block that is known, ${head.number}, is ${headAge} s old${because}` }
}

/** Why nobody tells which block L1 has. */
function unconfirmed({ age, failing }: ConfirmationFigures): Ailment {
  const because = failing === undefined ? '' : `: ${failing.message} (${failing.code})`
  return age === undefined ? { code: 'tip_unread', message: `which block L1 has is not known yet: no L2 client was read${because}` }
    : { code: 'tip_stale', message: `which block L1 has was read ${age} s ago${because}` }
}

/** What keeps the head below what is known, once a round of catching up has not got it. */
function behindOf({ head, next }: ChainStatus, { behind }: SyncStatus): string | undefined {
  if (behind === undefined || (next !== undefined && next > behind.known)) return undefined
  const { blockNumber } = head
  return behind.by === 'signed'
    ? `our head is ${blockNumber}, and block ${behind.known}, which an elected signer has signed, waits for what lies between`
    : `our head is ${blockNumber}, and peers announce ${behind.known}, which nobody delivers`
}

function announcedBy(sync: SyncStatus | undefined): bigint | undefined {
  return sync?.peers.reduce<bigint | undefined>((highest, { head, discounted }) =>
    head === undefined || discounted || (highest !== undefined && highest >= head.blockNumber) ? highest : head.blockNumber, undefined)
}

const orUndefined = async <T>(answer: Promise<T>): Promise<T | undefined> => answer.catch(() => undefined)
