import type { GossipSub } from '@libp2p/gossipsub'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { NetworkError } from '../errors.js'

/** A message inside an RPC, as decoded. */
export interface RpcMessage {
  readonly topic: string
  readonly data?: Uint8Array
  readonly from?: Uint8Array
}

/** The parts of a gossipsub RPC that are used here. */
export interface Rpc {
  messages: RpcMessage[]
  readonly subscriptions?: readonly unknown[]
  control?: object
}

/** A frame of a gossip stream, without its length prefix. */
export interface Frame {
  readonly byteLength: number
  subarray(): Uint8Array
}

/** gossipsub's score statistics of a peer. */
export interface PeerStats {
  readonly connected: boolean
  /** When the statistics of a disconnected peer are dropped, wall time in ms. */
  readonly expire: number
  topics: Record<string, { invalidMessageDeliveries: number; meshFailurePenalty: number }>
  behaviourPenalty: number
  readonly knownIPs: Set<string>
}

/**
 * The internals of gossipsub 17.1.1 that are used here, all listed and checked at start, so that another version of the library fails
 * with a named error instead of silently disabling a protection.
 */
export interface GossipsubInternals {
  readonly peers: ReadonlyMap<string, PeerId>
  readonly streamsOutbound: Map<string, { readonly rawStream: Stream }>
  readonly streamsInbound: ReadonlyMap<string, { readonly rawStream: Stream }>
  /** Replaced at each start of gossipsub, so never keep a reference. */
  readonly outboundInflightQueue: { push(item: { readonly peerId: PeerId; readonly connection: Connection }): unknown }
  readonly mcache: {
    readonly size: number
    readonly msgs: ReadonlyMap<string, { readonly message: RpcMessage }>
    observeDuplicate(messageId: string, peer: string): void
  }
  readonly seenCache: { readonly entries: Map<string, unknown> }
  /** The subscribers of each topic, and the peers in our mesh of it. */
  readonly topics: ReadonlyMap<string, ReadonlySet<string>>
  readonly mesh: ReadonlyMap<string, Set<string>>
  readonly score: {
    readonly peerStats: Map<string, PeerStats>
    /** `reputation` is ours (live-scores.ts). */
    readonly scoreCache: Map<string, { reputation?: number }>
    readonly params: { readonly topics: Readonly<Record<string, unknown>> }
    score(peer: string): number
    rejectInvalidMessage(peer: string, topic: string): void
    addPeer(peer: string): void
    removeIP(peer: string, ip: string): void
  }
  readonly fastMsgIdCache: { readonly entries: Map<string, unknown>; has(id: string): boolean }
  fastMsgIdFn(this: void, message: RpcMessage): string
  getScore(peer: string): number
  getMeshPeers(topic: string): string[]
  /** Takes the source as a **string**: with a PeerId the penalty is silently skipped. */
  reportMessageValidationResult(messageId: string, source: string, verdict: 'accept' | 'reject' | 'ignore'): void
  onPeerConnected(peerId: PeerId, connection: Connection): void
  /** Replaced on the instance by the pipeline. */
  handleReceivedRpc(from: PeerId, rpc: Rpc): Promise<void>
  handleReceivedMessage(from: PeerId, message: RpcMessage): Promise<void>
  handlePeerReadStreamError(error: Error, peerId: PeerId): void
  decodeRpc(bytes: Uint8Array): Rpc
  createInboundStream(peerId: PeerId, stream: Stream): void
  pipePeerReadStream(peerId: PeerId, frames: AsyncIterable<Frame>): Promise<void>
  sendRpc(peer: string, rpc: Rpc): boolean
  selectPeersToPublish(topic: string, floodPublish?: boolean): { readonly tosend: Set<string>; readonly tosendCount: object }
  /** Records the prune, and returns its control message. */
  makePrune(peer: string, topic: string, doPX: boolean, onUnsubscribe: boolean): Promise<object>
  addBackoff(peer: string, topic: string): void
}

const METHODS = [
  'getScore', 'getMeshPeers', 'reportMessageValidationResult', 'onPeerConnected', 'handleReceivedRpc', 'handleReceivedMessage',
  'handlePeerReadStreamError', 'decodeRpc', 'createInboundStream', 'pipePeerReadStream', 'sendRpc', 'fastMsgIdFn',
  'selectPeersToPublish', 'makePrune', 'addBackoff',
] as const satisfies ReadonlyArray<keyof GossipsubInternals>

/**
 * Checks that gossipsub uses our score parameters for both topics, since it may silently ignore them (SPEC §5).
 * @throws NetworkError `scoring_inactive`
 */
export function checkScoringActive({ score }: GossipsubInternals, topics: readonly string[]): void {
  const lacking = topics.find(topic => score.params?.topics?.[topic] === undefined)
  if (lacking !== undefined) throw new NetworkError('scoring_inactive', `gossipsub does not score ${lacking}`, { value: lacking })
}

/** gossipsub with its internals. @throws NetworkError `library_changed` if one is missing; `value` is its name */
export function internalsOf(pubsub: GossipSub): GossipsubInternals {
  const internals = pubsub as unknown as GossipsubInternals
  for (const method of METHODS) if (typeof internals[method] !== 'function') throw missing(method)
  for (const map of ['peers', 'streamsOutbound', 'streamsInbound', 'topics', 'mesh'] as const) if (!(internals[map] instanceof Map)) throw missing(map)
  for (const cache of ['seenCache', 'fastMsgIdCache'] as const) if (!(internals[cache]?.entries instanceof Map)) throw missing(`${cache}.entries`)
  if (!(internals.mcache?.msgs instanceof Map)) throw missing('mcache.msgs')
  if (typeof internals.mcache?.observeDuplicate !== 'function') throw missing('mcache.observeDuplicate')
  for (const method of ['score', 'rejectInvalidMessage', 'addPeer', 'removeIP'] as const) if (typeof internals.score?.[method] !== 'function') throw missing(`score.${method}`)
  for (const map of ['peerStats', 'scoreCache'] as const) if (!(internals.score[map] instanceof Map)) throw missing(`score.${map}`)
  if (typeof internals.outboundInflightQueue?.push !== 'function') throw missing('outboundInflightQueue.push')
  return internals
}

function missing(what: string): NetworkError {
  return new NetworkError('library_changed', `gossipsub has no ${what} any more`, { value: what })
}
