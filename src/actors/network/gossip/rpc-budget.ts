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

/** Bytes are charged by whole places of this size, which a window can count one by one; what is smaller is bounded by its number. */
const PLACE_BYTES = 65_536
/**
 * What a message takes of this thread, all in all, and what a copy of one that is known takes; measured (`npm run bench -- gossip`). A txlist
 * takes more (`-- flood`): it is written whether a commitment names it or not, and goes to the whole mesh. ms.
 */
const MESSAGE_MS = 0.25
const TXLIST_MS = 1
const COPY_MS = 0.03
/** What it takes to make the id of a message that is snappy, by the bytes that it decompresses to. ms. */
const SNAPPY_MS_A_BYTE = 5.5 / (1_024 * 1_024)
/** Besides its messages an RPC counts as one control message for so many fields, and for so many bytes: what these take to decode. */
const FIELDS_A_CONTROL = 64
const BYTES_A_CONTROL = 4_096
/** Peers kept at most; who sent longest ago gives way. */
const MAX_PEERS = 4_096
/** Up to this size it is worth looking whether a message is a copy: that costs a hash of it. */
const SMALL_BYTES = 4_096
/** Flooding sweeps forgiven for each quiet sweep. Below 1, so that a flood in every other sweep is still detected. */
const FORGIVEN_A_SWEEP = 0.5
/** All guarantees together are as much as those of so many peers; what is over that takes its chance with the surplus. */
const GUARANTEED_PEERS = 8
/** Whoever is new brings as much a second as who is proven, but less of it at once, since a flood begins with all that it may: parts of the window. */
const NEWCOMERS = { messages: 0.02, bytes: 0.1 }
/**
 * Authors of whom nothing was accepted, all together, get this part of what a peer that relays them may bring (SPEC §6): of its bytes, and of
 * its messages, of which so many may come at once as in this part of the window.
 */
const UNKNOWN_PART = 1 / 8
const UNKNOWN_WINDOW = 0.4
/** Who was refused counts so long as one that wants more than it gets, ms. */
const WANTING_MS = 1_000
/** The fair part of those who were refused is found anew after so many ms: it takes a look at everybody, and a flood asks with each message. */
const LEVEL_MS = 5
/** A peer of which as much is left out as is guaranteed, in so many sweeps in a row, floods us. */
const FLOOD_AFTER_SWEEPS = 2

/** What is guaranteed. */
interface Guarantee { readonly messages: SlidingWindow; readonly places: SlidingWindow }

interface Account extends Guarantee {
  /** Of authors that are unknown: their part of the bytes, and what they brought of late, as a number that halves with each of their windows. */
  readonly unknown: SlidingWindow
  arrivals: { count: number; at: number }
  readonly controls: SlidingWindow
  /** What was left out since the last sweep. */
  refused: { messages: number; bytes: number; controls: number }
  /** Sweeps in which that was as much as is guaranteed, less those since in which it was not. */
  sweeps: number
}

/** What is left of an RPC, and what was over budget. */
export interface Admitted {
  readonly rpc: Rpc
  readonly refused: readonly RpcMessage[]
  /** Messages of authors who are not listened to: dropped at a look, and charged to nobody. */
  readonly ofRefused: readonly RpcMessage[]
  /** Its subscriptions and control messages were left out. */
  readonly refusedControls: boolean
}

/** What the budget asks about others. */
export interface BudgetNeeds {
  /** Whether the message is a copy of one that came lately. */
  isKnown(message: RpcMessage): boolean
  /** Whether we have had anything good of this peer. */
  isProven(peer: PeerKey): boolean
  authorship(peer: PeerKey, message: RpcMessage): Authorship
}

/**
 * What each peer may bring by gossip in any window (SPEC §5, gossip budget), charged before anything is computed of a message:
 *
 * 1. so much is guaranteed: to each peer that has brought us something good, and to all others together, since identities are free; to
 *    eight peers at once, since a good deed is cheap;
 * 2. beyond that there is a surplus of the thread for all, of which each gets its fair part;
 * 3. authors of whom nothing was accepted yet pass only up to an eighth of what is guaranteed to who relays them, chosen by chance: a flood
 *    that an honest peer relays takes no more of what that peer may bring (H85).
 *
 * What is over them is left out of its RPC without a penalty, and what authors send that nobody knows is not the flood of who relays it. Of whom as much is left out as is guaranteed, in two sweeps of 10 s in a
 * row, or half of the time for longer, floods us: `sweep` names it, and again with each sweep in which it goes on. An honest peer sends each message once, and the
 * network makes one a second.
 *
 * Accounts outlive a connection, or else a flooder came back with a new one.
 */
export class RpcBudget {
  readonly #limits: GossipBudgetLimits
  readonly #clock: Clock
  readonly #accounts = new LRUCache<PeerKey, Account>({ max: MAX_PEERS })
  readonly #surplus: FairShare
  /** Who was refused a part of the surplus lately: bounded by those who bring anything. */
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

  /** Peers with an account at this moment. */
  get size(): number { return this.#accounts.size }

  /** Charges what an RPC takes to decode, beside its messages, before it is; says whether there is room. */
  admitBytes(peer: PeerKey, { fields, overhead }: RpcCost): boolean {
    const controls = Math.floor(fields / FIELDS_A_CONTROL) + Math.floor(overhead / BYTES_A_CONTROL)
    const account = this.#accountOf(peer)
    if (takeAll(account.controls, controls, this.#clock.monotonic())) return true
    account.refused.controls += controls
    return false
  }

  /** Charges an RPC to the peer that brought it. */
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

  /** To be called every 10 s: who floods us. Forgets accounts in which nothing counts any more. */
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

  /** Of more than fits, each has the same chance: who comes first has no better one. */
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

  /** That of one who was refused, which is the same for all of them. */
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

/** As much as `peers` may bring; where a part of the window is given, in windows that are so much shorter, but not too short for one message. */
function guarantee({ budgetBytes, budgetMessages, budgetWindowMs }: GossipBudgetLimits, peers: number, part = { messages: 1, bytes: 1 }): Guarantee {
  const messages = peers * budgetMessages
  const ofMessages = Math.min(1, Math.max(part.messages, 1 / messages))
  return {
    messages: new SlidingWindow(Math.ceil(messages * ofMessages), budgetWindowMs * ofMessages),
    places: new SlidingWindow(Math.ceil(peers * budgetBytes * part.bytes / PLACE_BYTES), budgetWindowMs * part.bytes),
  }
}

/** Bytes that a message is charged by, and of these the ones that it only declares. */
interface Size { readonly bytes: number; readonly declared: number }

/** What a message declares to be when decompressed is decompressed for its id: it is charged like bytes that came (H72). */
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

/** It counts towards what its sender is named for. */
function leftOut({ refused }: Account, { data }: RpcMessage): void {
  refused.messages++
  refused.bytes += data?.length ?? 0
}

function takeAll(window: SlidingWindow, count: number, now: number): boolean {
  if (count > 0 && window.used(now) + count > window.limit) return false
  for (let i = 0; i < count; i++) window.take(now)
  return true
}

/** Everything in an RPC that is no message; an RPC with nothing in it counts too. */
function controlsIn({ control, messages, subscriptions }: Rpc): number {
  let count = subscriptions?.length ?? 0
  for (const entries of Object.values(control ?? {}) as unknown[]) if (Array.isArray(entries)) count += entries.length
  return count === 0 && messages.length === 0 ? 1 : count
}
