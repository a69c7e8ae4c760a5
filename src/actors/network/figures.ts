import type { StaticPeerTrouble } from './connections/reconnect-queue.js'
import type { RequestErrorCode } from './errors.js'
import { BYTE_ACCOUNTS, HANDSHAKE_REFUSALS } from './handshake/limits.js'
import type { ByteAccount, HandshakeRefusal } from './handshake/limits.js'
import type { Offender } from './handshake/offenders.js'
import type { RequestKind, Topic } from './ingress.js'

/** Why a gossip message went no further than this room. */
export const REFUSALS = [
  /** None of our two topics. */
  'unknown_topic',
  /** It cannot be a message of its topic (SPEC §5): rejected, with penalty, before anything is computed of it. */
  'undecodable',
  /** Above the cap of its topic: rejected, with penalty. */
  'oversize',
  /** Its sender is banned or blocked; what was still on the way. */
  'blocked',
  /** More than its sender may bring in a time, whatever it is (`GossipLimits`): Ignore, before anything is computed of it. */
  'over_budget',
  /** Its envelope is not in the form of SPEC §5, on which all makes of node agree: dropped, without penalty. */
  'envelope',
  /** Its author's signature is wrong: rejected, with penalty. */
  'bad_author',
  /** Its author's commitments were refused by the schedule, the slasher or the rules: ignored at a look, or, from its author's own node, rejected (H85). */
  'refused_author',
  /** Our own, coming back. */
  'own_message',
  /** The validator's mailbox, or our list of messages without a verdict, is full (SPEC §6): Ignore. */
  'overloaded',
  /** No verdict within 6 s: Ignore. */
  'no_verdict',
] as const
export type Refusal = typeof REFUSALS[number]

/** How the other side of a stream broke the protocol or a deadline. */
export const VIOLATIONS = [
  /** A request, or the end of its stream, was not there in time. */
  'read_timeout',
  /** Our answer was not taken in time. */
  'write_timeout',
  'oversize',
  'malformed_frame',
  /** The frame holds no request of its protocol. */
  'malformed_request',
  /** More streams open at once than a peer may have. */
  'too_many_streams',
  /** The queue of delayed answers overran (SPEC §8). */
  'rate_limit',
  /** Our request's answer was larger than the cap, or no frame. */
  'bad_answer',
  /** A gossip frame above its cap: the peer is hung up on. */
  'gossip_frame',
  /** A gossip RPC that is no protobuf, or above a decode limit. */
  'gossip_rpc',
  /** Gossip RPCs that it began and did not end took too long or too much memory: the peer is hung up on (H34). */
  'gossip_partial',
  /** It sent more gossip than it may for longer than 10 s: told every 10 s. */
  'gossip_flood',
  /** It broke a limit before anything else accounts for it: too many proposals, or yamux frames that it may not send (H63 to H65). */
  'handshake',
] as const
export type Violation = typeof VIOLATIONS[number]

export interface GossipFigures {
  /** Messages handed to the validator, and their bytes. */
  received: Record<Topic, number>
  receivedBytes: Record<Topic, number>
  published: Record<Topic, number>
  publishedBytes: Record<Topic, number>
  verdicts: Record<Topic, { accept: number; reject: number; ignore: number }>
  /** Verdicts for messages that nobody waits for any more. */
  verdictsUnknown: number
  refused: Record<Topic | 'other', Record<Refusal, number>>
  /** Ids of messages that were ignored for no reason of their content: another copy may come (H67). */
  idsForgotten: number
  /** RPCs that protobuf or the decode limits refused. */
  malformedRpcs: number
  /** Sends left out because the peer's buffer was full. */
  sendsHeldBack: number
  /** Peers that took nothing of what waited for them, and left our meshes. */
  prunedSilent: number
  /** Peers that left a mesh because their address held more than its share of it (H71). */
  prunedOfAddress: number
  /** Streams asked for again, and peers for whom that did not help. */
  streamsReopened: number
  streamsLost: number
}

export interface RequestFigures {
  sent: Record<RequestKind, number>
  answered: Record<RequestKind, number>
  bytes: Record<RequestKind, number>
  failed: Partial<Record<RequestErrorCode, number>>
}

export interface ServingFigures {
  /** Requests answered in full, and their bytes. */
  served: Record<RequestKind, number>
  bytes: Record<RequestKind, number>
  /** Answered with nothing, because nobody gave an answer in time. */
  empty: Record<RequestKind, number>
  /** Answers that had to wait for their turn (SPEC §8). */
  delayed: Record<RequestKind, number>
  /** Time of this thread that answers took, ms: measured where it can be, else estimated. */
  busyMs: number
}

export interface ConnectionFigures {
  opened: number
  closed: number
  /** Dials and connections that the gate said no to, by its reason; `other` for what does not fit the bound. */
  denied: Record<string, number>
  dials: number
  dialsFailed: number
  /** Peers that closed on us within 1 s. */
  refused: number
  /** Connected peers hung up on for a ban or a list, by reason. */
  expelled: Record<string, number>
  /** Peers that had to make room. */
  pruned: number
}

/** Everything the driver counts, from zero at its start. */
export interface Counters {
  readonly gossip: GossipFigures
  readonly requests: RequestFigures
  readonly serving: ServingFigures
  readonly connections: ConnectionFigures
  /** What went no further than `handshake/`, by reason. */
  readonly handshake: Record<HandshakeRefusal, number>
  /** Bytes that came out of the encryption of all connections, and what they are accounted for as: together with `now.waitingBytes` all of them. */
  readonly bytes: Record<'received' | ByteAccount, number>
  readonly violations: Record<Violation, number>
}

/** The counters, and what stands at this moment. */
export interface NetworkFigures extends Counters {
  readonly now: {
    readonly peers: number
    readonly connections: number
    /** Static peers that are not reached, and why. */
    readonly unreached: readonly StaticPeerTrouble[]
    /** Inbound connections that are being upgraded, and the addresses that broke limits lately, the worst first. */
    readonly pendingInbound: number
    readonly offenders: readonly Offender[]
    /** Bytes of yamux frames that are not whole yet. */
    readonly waitingBytes: number
    readonly verdictsPending: number
    /** Peers whose gossip is held back, because there is more of it than this thread can handle. */
    readonly pausedPeers: number
    readonly requestsWaiting: number
    readonly requestsInFlight: number
    readonly inboundStreams: number
    /** Inbound streams of who had most of all that had to make room for others, since the start (H69). */
    readonly displacedStreams: number
    readonly servingBytes: number
    /** Requests of others that wait for their turn, and part of the total serving budget in use (SPEC §8). */
    readonly servingWaiting: number
    readonly servingUsed: number
    /** Bytes of gossip RPCs that have begun to arrive and have not been handled, of all peers. */
    readonly partialGossipBytes: number
    /** Peers that use our form of message ids, and the other one (SPEC §5), as far as they have shown it. */
    readonly messageIdForms: { readonly ours: number; readonly other: number }
    /** Bytes in the fullest gossip buffer towards a peer. */
    readonly largestGossipBuffer: number
  }
}

const perTopic = (): Record<Topic, number> => ({ commitments: 0, txLists: 0 })
const perKind = (): Record<RequestKind, number> => ({ head: 0, commitments: 0, txList: 0 })
const perVerdict = () => ({ accept: 0, reject: 0, ignore: 0 })

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map(key => [key, 0])) as Record<K, number>
}

/** Counters at zero, with every label that there is. */
export function newCounters(): Counters {
  return {
    gossip: {
      received: perTopic(), receivedBytes: perTopic(), published: perTopic(), publishedBytes: perTopic(),
      verdicts: { commitments: perVerdict(), txLists: perVerdict() },
      verdictsUnknown: 0, idsForgotten: 0,
      refused: { commitments: zeros(REFUSALS), txLists: zeros(REFUSALS), other: zeros(REFUSALS) },
      malformedRpcs: 0, sendsHeldBack: 0, prunedSilent: 0, prunedOfAddress: 0, streamsReopened: 0, streamsLost: 0,
    },
    requests: { sent: perKind(), answered: perKind(), bytes: perKind(), failed: {} },
    serving: { served: perKind(), bytes: perKind(), empty: perKind(), delayed: perKind(), busyMs: 0 },
    connections: { opened: 0, closed: 0, denied: {}, dials: 0, dialsFailed: 0, refused: 0, expelled: {}, pruned: 0 },
    handshake: zeros(HANDSHAKE_REFUSALS),
    bytes: zeros(['received', ...BYTE_ACCOUNTS]),
    violations: zeros(VIOLATIONS),
  }
}

/** A label that comes from outside: at most this many different ones are counted apart. */
const MAX_LABELS = 32

/** Adds one under a label whose set is not known beforehand. */
export function countLabel(counts: Record<string, number | undefined>, label: string): void {
  const key = counts[label] !== undefined || Object.keys(counts).length < MAX_LABELS ? label : 'other'
  counts[key] = (counts[key] ?? 0) + 1
}
