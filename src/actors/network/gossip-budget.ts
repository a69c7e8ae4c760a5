import type { PeerKey } from '../../protocol/peer-key.js'
import type { Clock } from '../kernel/index.js'
import type { GossipLimits } from './config.js'
import type { Rpc, RpcMessage } from './gossipsub-internals.js'
import { SlidingWindow } from './reqresp/sliding-window.js'

export type GossipBudgetLimits = Pick<GossipLimits, 'budgetMessages' | 'budgetBytes' | 'budgetControls' | 'budgetWindowMs'>

/** Bytes are charged by places of this size, a message at least one: what a window can count one by one. */
const PLACE_BYTES = 65_536
/** Peers kept at most; who sent longest ago gives way. */
const MAX_PEERS = 4_096
/** A peer that is over its budget in so many sweeps in a row floods us. */
const FLOOD_AFTER_SWEEPS = 2

interface Account {
  readonly messages: SlidingWindow
  readonly places: SlidingWindow
  readonly controls: SlidingWindow
  /** Something was left out since the last sweep, and in how many sweeps before it. */
  isOver: boolean
  sweeps: number
}

/** What is left of an RPC, and what was over budget. */
export interface Admitted {
  readonly rpc: Rpc
  readonly refused: readonly RpcMessage[]
  /** Its subscriptions and control messages were left out. */
  readonly refusedControls: boolean
}

/**
 * What each peer may bring by gossip in any window (SPEC §5, gossip budget), charged before anything is computed of a message. What is
 * over it is left out of its RPC without a penalty. A peer that is over it in two sweeps of 10 s in a row floods us: `sweep` names it,
 * and again with each sweep in which it goes on. An honest peer sends each message once, and is never over it: the network makes one
 * message a second. Who relays a flood is not told apart from who makes it, or else nobody would be: static and protected peers alone
 * are never banned for it.
 *
 * Accounts outlive a connection, or else a flooder came back with a new one.
 */
export class GossipBudget {
  readonly #limits: GossipBudgetLimits
  readonly #clock: Clock
  readonly #accounts = new Map<PeerKey, Account>()

  constructor(limits: GossipBudgetLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** Peers with an account at this moment. */
  get size(): number { return this.#accounts.size }

  /** Charges an RPC to the peer that brought it. */
  admit(peer: PeerKey, rpc: Rpc): Admitted {
    const account = this.#accountOf(peer)
    const now = this.#clock.monotonic()
    const refused: RpcMessage[] = []
    const messages = rpc.messages.filter(message => {
      if (this.#mayBring(account, message, now)) return true
      refused.push(message)
      return false
    })
    const refusedControls = !takeAll(account.controls, controlsIn(rpc), now)
    if (refused.length === 0 && !refusedControls) return { rpc, refused, refusedControls }
    account.isOver = true
    return { rpc: refusedControls ? { messages } : { ...rpc, messages }, refused, refusedControls }
  }

  /** To be called every 10 s: who floods us. Forgets accounts in which nothing counts any more. */
  sweep(): PeerKey[] {
    const now = this.#clock.monotonic()
    const flooding: PeerKey[] = []
    for (const [peer, account] of this.#accounts) {
      account.sweeps = account.isOver ? account.sweeps + 1 : 0
      account.isOver = false
      if (account.sweeps >= FLOOD_AFTER_SWEEPS) flooding.push(peer)
      const { controls, messages, places } = account
      if (account.sweeps === 0 && messages.used(now) + places.used(now) + controls.used(now) === 0) this.#accounts.delete(peer)
    }
    return flooding
  }

  #mayBring({ messages, places }: Account, { data }: RpcMessage, now: number): boolean {
    const count = Math.ceil((data?.length ?? 0) / PLACE_BYTES)
    if (!messages.hasRoom(now) || places.used(now) + count > places.limit) return false
    return messages.take(now) && takeAll(places, count, now)
  }

  #accountOf(peer: PeerKey): Account {
    const { budgetBytes, budgetControls, budgetMessages, budgetWindowMs } = this.#limits
    const account = this.#accounts.get(peer) ?? {
      messages: new SlidingWindow(budgetMessages, budgetWindowMs),
      places: new SlidingWindow(Math.ceil(budgetBytes / PLACE_BYTES), budgetWindowMs),
      controls: new SlidingWindow(budgetControls, budgetWindowMs),
      isOver: false, sweeps: 0,
    }
    this.#accounts.delete(peer)
    this.#accounts.set(peer, account)
    const oldest = this.#accounts.keys().next()
    if (this.#accounts.size > MAX_PEERS && oldest.done !== true) this.#accounts.delete(oldest.value)
    return account
  }
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
