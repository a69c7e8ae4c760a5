import { LRUCache } from 'lru-cache'
import { MAX_GOSSIP_BYTES, SIGNED_COMMITMENT_SIZE, snappySize } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock, Random } from '../../kernel/index.js'
import type { GossipLimits } from '../config.js'
import type { Rpc, RpcMessage } from './gossipsub-internals.js'
import type { Authorship } from './authors.js'
import type { RpcCost } from './rpc-cost.js'
import { FairShare } from '../limits/fair-share.js'
import { SlidingWindow } from '../limits/sliding-window.js'

export type GossipBudgetLimits = Pick<GossipLimits,
  'budgetMessages' | 'budgetBytes' | 'budgetControls' | 'budgetWindowMs' | 'surplusShare' | 'surplusBytesPerSecond'>

/** Bytes are charged in whole units of this size. Smaller messages are bounded by their number. */
const PLACE_BYTES = 65_536
/**
 * Main-thread time of a message, of a txlist and of a known copy, ms; measured (`npm run bench -- gossip`, `-- flood`). A txlist costs more:
 * it is written even without a commitment, and goes to the whole mesh.
 */
const MESSAGE_MS = 0.25
const TXLIST_MS = 1
const COPY_MS = 0.03
/** Time to compute the id of a snappy message, ms per decompressed byte. */
const SNAPPY_MS_A_BYTE = 5.5 / (1_024 * 1_024)
/** Besides its messages, an RPC is charged one control message for this many fields, and for this many bytes, to cover decoding. */
const FIELDS_A_CONTROL = 64
const BYTES_A_CONTROL = 4_096
/** Peers with an account; the least recently active is dropped first. */
const MAX_PEERS = 4_096
/** Messages up to this size are checked for being a copy, which costs a hash. Bytes. */
const SMALL_BYTES = 4_096
/** Flooding sweeps forgiven for each quiet sweep. Below 1, so that a flood in every other sweep is still detected. */
const FORGIVEN_A_SWEEP = 0.5
/** All guarantees together equal those of this many peers; the rest competes for the surplus. */
const GUARANTEED_PEERS = 8
/** A new peer may send at the rate of a proven one but in smaller bursts: these shares of the window, since a flood begins with a burst. */
const NEWCOMERS = { messages: 0.02, bytes: 0.1 }
/**
 * Unknown authors together get this share of the bytes and messages of the peer that relays them (SPEC §6). Their messages may arrive in
 * bursts of up to `UNKNOWN_WINDOW` of the window.
 */
const UNKNOWN_PART = 1 / 8
const UNKNOWN_WINDOW = 0.4
/** How long a refused peer counts as wanting more than it gets, ms. */
const WANTING_MS = 1_000
/** How long a computed fair share is reused, ms: computing it visits every peer, and a flood asks for it with each message. */
const LEVEL_MS = 5
/** Sweeps in a row in which a peer exceeds its guarantee by as much again before it counts as flooding. */
const FLOOD_AFTER_SWEEPS = 2

/** A guaranteed budget: messages, and bytes in units of `PLACE_BYTES`. */
interface Guarantee { readonly messages: SlidingWindow; readonly places: SlidingWindow }

interface Account extends Guarantee {
  /** Unknown authors relayed by this peer: their share of the bytes, and their recent messages as a count that halves with each window. */
  readonly unknown: SlidingWindow
  arrivals: { count: number; at: number }
  readonly controls: SlidingWindow
  /** What was refused since the last sweep. */
  refused: { messages: number; bytes: number; controls: number }
  /** Flooding sweeps, less `FORGIVEN_A_SWEEP` for each quiet one since. */
  sweeps: number
}

/** The admitted part of an RPC, and what was over budget. */
export interface Admitted {
  readonly rpc: Rpc
  readonly refused: readonly RpcMessage[]
  /** Messages of refused authors: dropped cheaply, and charged to nobody. */
  readonly ofRefused: readonly RpcMessage[]
  /** Its subscriptions and control messages were refused. */
  readonly refusedControls: boolean
}

/** What the budget asks of other parts. */
export interface BudgetNeeds {
  /** Whether the message is a copy of a recent one. */
  isKnown(message: RpcMessage): boolean
  /** Whether this peer has brought us something that was accepted. */
  isProven(peer: PeerKey): boolean
  authorship(peer: PeerKey, message: RpcMessage): Authorship
}

/**
 * What each peer may send by gossip in any window (SPEC §5, gossip budget), charged before any work on a message:
 *
 * 1. A guarantee: for each proven peer, and for all other peers together, since identities are free. All guarantees together are capped
 *    at those of eight peers, since becoming proven is cheap.
 * 2. A surplus of main-thread time, shared fairly among the peers that want more.
 * 3. Messages of unknown authors get at most an eighth of the guarantee of the peer that relays them, picked at random. So a flood that
 *    an honest peer relays uses up no more of its budget (H85).
 *
 * Messages over budget are removed from their RPC without a penalty; those of unknown authors do not count as flooding by the relay. A
 * peer whose refused messages reach its guarantee in two sweeps (10 s each) in a row, or in half of the sweeps for longer, is flooding:
 * `sweep` returns it, and again in each sweep in which it continues. (An honest peer sends each message once, and the network makes one a
 * second.)
 *
 * Accounts survive a reconnection, so that a flooder cannot reset its own.
 */
export class RpcBudget {
  readonly #limits: GossipBudgetLimits
  readonly #clock: Clock
  readonly #accounts = new LRUCache<PeerKey, Account>({ max: MAX_PEERS })
  readonly #surplus: FairShare
  /** Peers that were recently refused a share of the surplus; bounded by the accounts. */
  #wanting = new Set<PeerKey>()
  #wantingUntil = 0
  #level = { part: 0, until: 0 }
  readonly #newcomers: Guarantee
  readonly #together: Guarantee
  readonly #needs: BudgetNeeds
  readonly #random: Random

  constructor(limits: GossipBudgetLimits, clock: Clock, random: Random, needs: BudgetNeeds) {
    this.#limits = limits
    this.#clock = clock
    this.#needs = needs
    this.#random = random
    this.#newcomers = guarantee(limits, 1, NEWCOMERS)
    this.#together = guarantee(limits, GUARANTEED_PEERS)
    this.#surplus = new FairShare({ requestsPerSecond: Infinity, bytesPerSecond: limits.surplusBytesPerSecond, busyShare: limits.surplusShare })
  }

  /** Number of accounts. */
  get size(): number { return this.#accounts.size }

  /** Charges the decoding of an RPC, apart from its messages, before it is decoded; false if over budget. */
  admitBytes(peer: PeerKey, { fields, overhead }: RpcCost): boolean {
    const controls = Math.floor(fields / FIELDS_A_CONTROL) + Math.floor(overhead / BYTES_A_CONTROL)
    const account = this.#accountOf(peer)
    if (takeAll(account.controls, controls, this.#clock.monotonic())) return true
    account.refused.controls += controls
    return false
  }

  /** Charges an RPC to its sender. */
  admit(peer: PeerKey, rpc: Rpc): Admitted {
    const account = this.#accountOf(peer)
    const now = this.#clock.monotonic()
    const refused: RpcMessage[] = []
    const guaranteed = this.#needs.isProven(peer) ? account : this.#newcomers
    const ofRefused: RpcMessage[] = []
    const messages = rpc.messages.filter(message => {
      const authorship = this.#needs.authorship(peer, message)
      if (authorship === 'refused' || authorship === 'own_refused') {
        ofRefused.push(message)
        if (authorship === 'own_refused') leftOut(account, message)
        return false
      }
      const size = sizeOf(message)
      const mayPass = authorship !== 'unknown' || this.#isLucky(account, size.bytes, now)
      if (mayPass && (isGuaranteed([guaranteed, this.#together], size.bytes, now) || this.#fitsSurplus(peer, message, size, now))) return true
      refused.push(message)
      if (authorship !== 'unknown') leftOut(account, message)
      return false
    })
    const controls = controlsIn(rpc)
    const refusedControls = !takeAll(account.controls, controls, now)
    if (messages.length === rpc.messages.length && !refusedControls) return { rpc, refused, ofRefused, refusedControls }
    if (refusedControls) account.refused.controls += controls
    return { rpc: refusedControls ? { messages } : { ...rpc, messages }, refused, ofRefused, refusedControls }
  }

  /** To be called every 10 s: the flooding peers. Forgets accounts without any recent use. */
  sweep(): PeerKey[] {
    const now = this.#clock.monotonic()
    const flooding: PeerKey[] = []
    this.#surplus.sweep(now)
    for (const [peer, account] of [...this.#accounts]) {
      const isFlooding = this.#isFlooding(account)
      account.sweeps = isFlooding ? account.sweeps + 1 : Math.max(0, account.sweeps - FORGIVEN_A_SWEEP)
      account.refused = { messages: 0, bytes: 0, controls: 0 }
      if (isFlooding && account.sweeps >= FLOOD_AFTER_SWEEPS) flooding.push(peer)
      const { controls, messages, places } = account
      if (account.sweeps === 0 && messages.used(now) + places.used(now) + controls.used(now) === 0) this.#accounts.delete(peer)
    }
    return flooding
  }

  #isFlooding({ refused: { bytes, controls, messages } }: Account): boolean {
    const { budgetBytes, budgetControls, budgetMessages } = this.#limits
    return messages >= budgetMessages || bytes >= budgetBytes || controls >= budgetControls
  }

  /** If more arrive than fit, each message has the same chance, whenever it arrives. */
  #isLucky({ arrivals, unknown }: Account, bytes: number, now: number): boolean {
    const faded = arrivals.count * 2 ** ((arrivals.at - now) / (this.#limits.budgetWindowMs * UNKNOWN_WINDOW))
    arrivals.count = faded + 1
    arrivals.at = now
    const atOnce = this.#limits.budgetMessages * UNKNOWN_PART * UNKNOWN_WINDOW
    return (arrivals.count <= Math.max(1, atOnce) || this.#random() * arrivals.count < atOnce) && takeAll(unknown, Math.floor(bytes / PLACE_BYTES), now)
  }

  #fitsSurplus(peer: PeerKey, message: RpcMessage, { bytes, declared }: Size, now: number): boolean {
    const isCopy = bytes <= SMALL_BYTES && this.#needs.isKnown(message)
    const ms = isCopy ? COPY_MS : bytes === SIGNED_COMMITMENT_SIZE ? MESSAGE_MS : TXLIST_MS
    const cost = { requests: 0, bytes, ms: ms + declared * SNAPPY_MS_A_BYTE }
    if (now >= this.#wantingUntil) {
      this.#wanting = new Set()
      this.#wantingUntil = now + WANTING_MS
    }
    if (this.#surplus.waitFor(peer, cost, now, this.#wanting, this.#levelOf(peer, now)) > 0) {
      if (!this.#wanting.has(peer)) this.#level.until = now
      this.#wanting.add(peer)
      return false
    }
    this.#surplus.charge(peer, cost, now)
    return true
  }

  /** The fair share of a recently refused peer, the same for all of them; undefined for others. */
  #levelOf(peer: PeerKey, now: number): number | undefined {
    if (!this.#wanting.has(peer)) return undefined
    if (now >= this.#level.until) this.#level = { part: this.#surplus.levelOfWaiting(now, this.#wanting), until: now + LEVEL_MS }
    return this.#level.part
  }

  #accountOf(peer: PeerKey): Account {
    const { budgetControls, budgetWindowMs } = this.#limits
    const account = this.#accounts.get(peer) ?? {
      ...guarantee(this.#limits, 1), unknown: guarantee(this.#limits, UNKNOWN_PART).places, arrivals: { count: 0, at: -Infinity },
      controls: new SlidingWindow(budgetControls, budgetWindowMs), refused: { messages: 0, bytes: 0, controls: 0 }, sweeps: 0,
    }
    this.#accounts.set(peer, account)
    return account
  }
}

/** The guarantee of this many peers. `part` shortens the windows and so the bursts, but never below one message. */
function guarantee({ budgetBytes, budgetMessages, budgetWindowMs }: GossipBudgetLimits, peers: number, part = { messages: 1, bytes: 1 }): Guarantee {
  const messages = peers * budgetMessages
  const ofMessages = Math.min(1, Math.max(part.messages, 1 / messages))
  return {
    messages: new SlidingWindow(Math.ceil(messages * ofMessages), budgetWindowMs * ofMessages),
    places: new SlidingWindow(Math.ceil(peers * budgetBytes * part.bytes / PLACE_BYTES), budgetWindowMs * part.bytes),
  }
}

/** Charged bytes of a message, and those of them that it only declares. */
interface Size { readonly bytes: number; readonly declared: number }

/** A snappy message is decompressed for its id, so its declared size is charged like received bytes (H72). */
function sizeOf({ data }: RpcMessage): Size {
  if (data === undefined) return { bytes: 0, declared: 0 }
  const declared = snappySize(data, MAX_GOSSIP_BYTES)
  return { bytes: Math.max(data.length, declared), declared }
}

function isGuaranteed(guarantees: readonly Guarantee[], bytes: number, now: number): boolean {
  const count = Math.floor(bytes / PLACE_BYTES)
  if (!guarantees.every(({ messages, places }) => messages.hasRoom(now) && places.used(now) + count <= places.limit)) return false
  for (const { messages, places } of guarantees) { messages.take(now); takeAll(places, count, now) }
  return true
}

/** Counts a refused message towards its sender's flooding. */
function leftOut({ refused }: Account, { data }: RpcMessage): void {
  refused.messages++
  refused.bytes += data?.length ?? 0
}

function takeAll(window: SlidingWindow, count: number, now: number): boolean {
  if (count > 0 && window.used(now) + count > window.limit) return false
  for (let i = 0; i < count; i++) window.take(now)
  return true
}

/** Number of parts of an RPC other than messages; an empty RPC counts as one. */
function controlsIn({ control, messages, subscriptions }: Rpc): number {
  let count = subscriptions?.length ?? 0
  for (const entries of Object.values(control ?? {}) as unknown[]) if (Array.isArray(entries)) count += entries.length
  return count === 0 && messages.length === 0 ? 1 : count
}
