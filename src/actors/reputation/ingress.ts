import { Handle, dropOldest, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline, Port } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'

/** The outcome of dealing with a peer (SPEC §8). */
export type Outcome = 'accepted' | 'failure'

/** What is known of a connection before it is made. */
export interface ConnectionQuestion {
  readonly direction: 'inbound' | 'outbound'
  /** Unknown on an inbound connection before noise has proved it. */
  readonly peer?: PeerKey | undefined
  /** A multiaddr, resolved: never a host name (H17). Unknown while only a peer is about to be dialled. */
  readonly address?: string | undefined
}

/**
 * Scores and bans, read synchronously where a library needs an answer at once (docs/architecture.md). It outlives a restart of the actor: between
 * two incarnations it answers as the last one did.
 */
export interface PeerStanding {
  /** Added to gossipsub's score: the reputation, within ±10 (SPEC §5). */
  appScore(peer: PeerKey): number
  /** Whether a peer may be chosen for a request (SPEC §8: above −1, and not banned). */
  mayAsk(peer: PeerKey): boolean
  /** At −2 or below (SPEC §8): taken out of our meshes. */
  greylisted(peer: PeerKey): boolean
  /** Static peers and those that the operator protects: never dropped for score. */
  isProtected(peer: PeerKey): boolean
  /** Why a connection is refused: a ban, the block lists, the allow list; else `undefined`. Counts nothing. */
  refuses(question: ConnectionQuestion): string | undefined
}

/** A rule of the operator's lists, as text: a peer id, an IP address, or a subnet such as `10.0.0.0/8`. */
export type Rule = string

/** An active ban. */
export interface Ban {
  readonly peer: PeerKey
  readonly reason: string
  /** Unix time in milliseconds. */
  readonly until: number
}

/** The operator's lists. */
export interface PeerLists {
  readonly blocked: readonly Rule[]
  readonly protected: readonly PeerKey[]
  /** Empty: everybody may connect. Else only these peers. */
  readonly allowed: readonly PeerKey[]
}

/** How one peer stands. */
export interface Standing {
  readonly peer: PeerKey
  /** Within ±10. */
  readonly reputation: number
  /** gossipsub's score at the last sample; 0 where there was none. */
  readonly gossipScore: number
  readonly protected: boolean
  readonly ban: Ban | undefined
}

export type ReputationMessage =
  | { readonly type: 'report'; readonly peer: PeerKey; readonly outcome: Outcome }
  /** From network, every 10 s: gossipsub's score of those connected. */
  | { readonly type: 'gossipScores'; readonly scores: ReadonlyMap<PeerKey, number> }
  /** From discovery: the uncompressed secp256k1 public key of a peer's ENR, 64 bytes. */
  | { readonly type: 'learned'; readonly peer: PeerKey; readonly publicKey: Uint8Array }
  | Ask<'ban', { peer: PeerKey; forMs: number | undefined; reason: string }, Ban>
  /** Whether there was a ban. */
  | Ask<'lift', { peer: PeerKey }, boolean>
  | Ask<'bans', object, readonly Ban[]>
  | Ask<'standing', { peer: PeerKey }, Standing>
  /** All peers with a record, the worst first. */
  | Ask<'standings', object, readonly Standing[]>
  | Ask<'block', { rule: Rule }, void>
  | Ask<'unblock', { rule: Rule }, boolean>
  | Ask<'protect', { peer: PeerKey }, void>
  | Ask<'unprotect', { peer: PeerKey }, boolean>
  | Ask<'lists', object, PeerLists>

export type ReputationEvent =
  | { readonly type: 'banned'; readonly peer: PeerKey; readonly forMs: number; readonly reason: string }
  | { readonly type: 'banLifted'; readonly peer: PeerKey; readonly why: 'expired' | 'lifted' }
  /** Its reputation has fallen to −2 or below (SPEC §8). */
  | { readonly type: 'greylisted'; readonly peer: PeerKey; readonly reputation: number }
  /** `entries` of what was kept on disk could not be restored. The damaged value is kept aside (docs/reputation.md). */
  | { readonly type: 'standingDamaged'; readonly what: 'bans' | 'lists' | 'scores'; readonly entries: number | 'all' }

/** To network: what a change demands of the connections. */
export type Connections = Port<
  /** Hang up, once exchanges under way are over (H40). */
  | { readonly type: 'expel'; readonly peer: PeerKey; readonly reason: string }
  /** Drop gossipsub's score of the peer: its ban is over (SPEC §8). */
  | { readonly type: 'forgetScore'; readonly peer: PeerKey }
  /** The lists have changed: hang up on connected peers that `refuses` now refuses. */
  | { readonly type: 'reviewConnections' }
>

export const reputationMailbox = mailbox<ReputationMessage>({
  capacity: 4_096,
  whenFull: {
    report: dropOldest('a lost report costs one point at most'),
    gossipScores: dropOldest('the next sample comes in 10 s'),
    learned: dropOldest('discovery tells it again with the next connection'),
    ban: reject('the caller must know that it did not happen'),
    lift: reject('the caller must know that it did not happen'),
    bans: reject('the caller is told'),
    standing: reject('the caller has a deadline of its own'),
    standings: reject('the caller is told'),
    block: reject('the caller must know that it did not happen'),
    unblock: reject('the caller must know that it did not happen'),
    protect: reject('the caller must know that it did not happen'),
    unprotect: reject('the caller must know that it did not happen'),
    lists: reject('the caller is told'),
  },
})

/** Scores, bans and lists of peers (SPEC §8). */
export class Reputation extends Handle<ReputationMessage> {
  /** Scores one outcome of dealing with a peer. Never waits. */
  report(peer: PeerKey, outcome: Outcome) { return this.send({ type: 'report', peer, outcome }) }
  gossipScores(scores: ReadonlyMap<PeerKey, number>) { return this.send({ type: 'gossipScores', scores }) }
  learned(peer: PeerKey, publicKey: Uint8Array) { return this.send({ type: 'learned', peer, publicKey }) }
  /** Bans a peer: disconnected, refused both ways, remembered. `forMs` left out: 1 h. */
  ban(peer: PeerKey, forMs: number | undefined, reason: string, within: Deadline) { return this.ask('ban', { peer, forMs, reason }, within) }
  lift(peer: PeerKey, within: Deadline) { return this.ask('lift', { peer }, within) }
  bans(within: Deadline) { return this.ask('bans', {}, within) }
  standing(peer: PeerKey, within: Deadline) { return this.ask('standing', { peer }, within) }
  standings(within: Deadline) { return this.ask('standings', {}, within) }
  /** Refuses a peer, an address or a subnet from now on. Durable when it resolves. */
  block(rule: Rule, within: Deadline) { return this.ask('block', { rule }, within) }
  unblock(rule: Rule, within: Deadline) { return this.ask('unblock', { rule }, within) }
  protect(peer: PeerKey, within: Deadline) { return this.ask('protect', { peer }, within) }
  unprotect(peer: PeerKey, within: Deadline) { return this.ask('unprotect', { peer }, within) }
  lists(within: Deadline) { return this.ask('lists', {}, within) }
}
