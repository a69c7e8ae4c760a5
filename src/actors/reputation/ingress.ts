import { Handle, dropOldest, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline, Port } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'

/** The outcome of dealing with a peer (SPEC §8). */
export type Outcome = 'accepted' | 'failure'

/** A connection that is about to be made. */
export interface ConnectionQuestion {
  readonly direction: 'inbound' | 'outbound'
  /** Unknown on an inbound connection until noise has proved it. */
  readonly peer?: PeerKey | undefined
  /** The resolved multiaddr, never one with a host name (H17). Unknown before a dial has chosen an address. */
  readonly address?: string | undefined
}

/**
 * Synchronous, read-only access to scores and bans, for callers such as gossipsub that cannot wait for a message (docs/architecture.md). While the
 * actor restarts it answers from the state of the last incarnation.
 */
export interface PeerStanding {
  /** The reputation, from −10 to 10: gossipsub adds it to its own score (SPEC §5). */
  appScore(peer: PeerKey): number
  /** Whether the peer may be sent requests: its reputation is above −1, and it is not banned (SPEC §8). */
  mayAsk(peer: PeerKey): boolean
  /** Whether the peer's reputation is −2 or less: it is removed from our meshes (SPEC §8). */
  greylisted(peer: PeerKey): boolean
  /** Whether the peer is static or protected by the operator: it is never disconnected for its score. */
  isProtected(peer: PeerKey): boolean
  /** The reason to refuse a connection (a ban, the block list, the allow list); `undefined` if it is allowed. Without side effects. */
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
  /** If not empty, only these peers may connect. */
  readonly allowed: readonly PeerKey[]
}

/** The reputation, protection and ban of one peer. */
export interface Standing {
  readonly peer: PeerKey
  /** From −10 to 10. */
  readonly reputation: number
  /** gossipsub's score at the last sample; 0 without one. */
  readonly gossipScore: number
  readonly protected: boolean
  readonly ban: Ban | undefined
}

export type ReputationMessage =
  | { readonly type: 'report'; readonly peer: PeerKey; readonly outcome: Outcome }
  /** From network, every 10 s: gossipsub's scores of the connected peers. */
  | { readonly type: 'gossipScores'; readonly scores: ReadonlyMap<PeerKey, number> }
  /** From discovery: the uncompressed secp256k1 public key of a peer's ENR, 64 bytes. */
  | { readonly type: 'learned'; readonly peer: PeerKey; readonly publicKey: Uint8Array }
  | Ask<'ban', { peer: PeerKey; forMs: number | undefined; reason: string }, Ban>
  /** Answers whether there was a ban. */
  | Ask<'lift', { peer: PeerKey }, boolean>
  | Ask<'bans', object, readonly Ban[]>
  | Ask<'standing', { peer: PeerKey }, Standing>
  /** Answers with all peers that have a score or a ban, the lowest reputation first. */
  | Ask<'standings', object, readonly Standing[]>
  | Ask<'block', { rule: Rule }, void>
  | Ask<'unblock', { rule: Rule }, boolean>
  | Ask<'protect', { peer: PeerKey }, void>
  | Ask<'unprotect', { peer: PeerKey }, boolean>
  | Ask<'lists', object, PeerLists>

export type ReputationEvent =
  | { readonly type: 'banned'; readonly peer: PeerKey; readonly forMs: number; readonly reason: string }
  | { readonly type: 'banLifted'; readonly peer: PeerKey; readonly why: 'expired' | 'lifted' }
  /** The peer's reputation has fallen to −2 or less (SPEC §8). */
  | { readonly type: 'greylisted'; readonly peer: PeerKey; readonly reputation: number }
  /** Saved entries could not be restored: `entries` of them. The damaged value is kept under another name (docs/reputation.md). */
  | { readonly type: 'standingDamaged'; readonly what: 'bans' | 'lists' | 'scores'; readonly entries: number | 'all' }

/** Commands to network that follow from a change of bans or lists. */
export type Connections = Port<
  /** Disconnect the peer once exchanges under way are over (H40). */
  | { readonly type: 'expel'; readonly peer: PeerKey; readonly reason: string }
  /** Reset gossipsub's score of a peer whose ban has ended (SPEC §8). */
  | { readonly type: 'forgetScore'; readonly peer: PeerKey }
  /** Disconnect the peers that `refuses` now refuses: the lists have changed. */
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
  /** Bans a peer: it is disconnected, and neither dialled nor accepted. `forMs` undefined: 1 h. Resolves once the ban is on disk. */
  ban(peer: PeerKey, forMs: number | undefined, reason: string, within: Deadline) { return this.ask('ban', { peer, forMs, reason }, within) }
  lift(peer: PeerKey, within: Deadline) { return this.ask('lift', { peer }, within) }
  bans(within: Deadline) { return this.ask('bans', {}, within) }
  standing(peer: PeerKey, within: Deadline) { return this.ask('standing', { peer }, within) }
  standings(within: Deadline) { return this.ask('standings', {}, within) }
  /** Adds a peer, an address or a subnet to the block list. Resolves once the change is on disk. */
  block(rule: Rule, within: Deadline) { return this.ask('block', { rule }, within) }
  unblock(rule: Rule, within: Deadline) { return this.ask('unblock', { rule }, within) }
  protect(peer: PeerKey, within: Deadline) { return this.ask('protect', { peer }, within) }
  unprotect(peer: PeerKey, within: Deadline) { return this.ask('unprotect', { peer }, within) }
  lists(within: Deadline) { return this.ask('lists', {}, within) }
}
