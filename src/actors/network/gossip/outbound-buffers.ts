import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { GossipsubInternals, Rpc, RpcMessage } from './gossipsub-internals.js'

export interface OutboundBuffersOptions {
  /** A stream with this many buffered bytes gets no further message. */
  readonly pauseOutboundBytes: number
  /** Buffered bytes of all streams: above this, streams with more than `SMALL_BUFFER` get no further message either. */
  readonly totalOutboundBytes: number
  /** A message was not sent because the stream is full. */
  heldBack(): void
  /** A peer was pruned from our meshes because it reads nothing. */
  prunedSilent(peer: PeerKey): void
  /** Peers that our own messages go to even outside the mesh, best first: static and proven ones. */
  worthy(subscribers: Iterable<PeerKey>): readonly PeerKey[]
}

/** What a stream may always buffer, whatever the others hold: a few hundred commitments. Bytes. */
const SMALL_BUFFER = 262_144
/** A stream that is full in this many sweeps in a row counts as stuck. */
const STUCK_AFTER_SWEEPS = 3
/** A peer that reads nothing of its buffer for this long, in ms, and over this many checks, leaves our meshes (SPEC §8). */
const SILENT_AFTER_MS = 2_000
const SILENT_LOOKS = 4
/** Messages up to this size fit beside a large one that is buffered: a commitment behind its txlist. Bytes. */
const SMALL_MESSAGE = 65_536
const ROOM_FOR_SMALL = 1_048_576

/** Interval between two checks of the buffers while a publisher waits, ms. */
const LOOK_EVERY_MS = 10

/** How long a peer has read nothing of its buffer. */
interface Silence { buffered: number; since: number; looks: number }

/**
 * Keeps gossipsub's outbound buffers from overflowing, upon which the library would kill the stream for good (H35), and keeps peers that do
 * not read from delaying those that do (H68):
 *
 * - a stream with a full buffer gets no message (a slow peer misses the forwarded one and can fetch it after an IHAVE);
 * - our own messages go at once to all peers with room, in the mesh, static or proven, and wait only if none has room;
 * - a peer that reads nothing for two seconds leaves the mesh.
 *
 * It also sends each message in an RPC of its own: the library answers an IWANT with a single RPC and refuses RPCs over 4 MiB, so that a
 * peer that asks for three large txlists would get none.
 */
export class OutboundBuffers {
  readonly #gossipsub: GossipsubInternals
  readonly #clock: Clock
  readonly #options: OutboundBuffersOptions
  /** Number of sweeps in a row in which a peer's stream was full. */
  readonly #fullSince = new Map<PeerKey, number>()
  /** Peers with buffered bytes. */
  readonly #silences = new Map<PeerKey, Silence>()

  constructor(gossipsub: GossipsubInternals, clock: Clock, options: OutboundBuffersOptions) {
    this.#gossipsub = gossipsub
    this.#clock = clock
    this.#options = options
    const send = gossipsub.sendRpc.bind(gossipsub)
    gossipsub.sendRpc = (peer, rpc) => this.#send(send, peer, rpc)
    const select = gossipsub.selectPeersToPublish.bind(gossipsub)
    gossipsub.selectPeersToPublish = (topic, floodPublish) => {
      const selected = select(topic, floodPublish)
      for (const peer of options.worthy(gossipsub.topics.get(topic) ?? [])) selected.tosend.add(peer)
      return selected
    }
  }

  /** Buffered bytes for a peer. */
  buffered(peer: PeerKey): number {
    return this.#gossipsub.streamsOutbound.get(peer)?.rawStream.writeBufferLength ?? 0
  }

  /** Bytes in the fullest buffer. */
  get largest(): number {
    let largest = 0
    for (const { rawStream } of this.#gossipsub.streamsOutbound.values()) largest = Math.max(largest, rawStream.writeBufferLength)
    return largest
  }

  /**
   * Resolves when a recipient of a message of this size has room for it, at the latest after `ms`; false if none has. True at once if there
   * are no recipients.
   */
  async ready(topic: string, bytes: number, ms: number): Promise<boolean> {
    const until = this.#clock.monotonic() + ms
    while (!this.#anyCanTake(topic, bytes)) {
      if (this.#clock.monotonic() >= until) return false
      await new Promise<void>(resolve => { this.#clock.setTimeout(resolve, LOOK_EVERY_MS) })
    }
    return true
  }

  #anyCanTake(topic: string, bytes: number): boolean {
    const { tosend } = this.#gossipsub.selectPeersToPublish(topic)
    return tosend.size === 0 || [...tosend].some(peer => !this.#isFull(peer, bytes))
  }

  /** To be called a few times a second: prunes peers that read nothing from our meshes. */
  expire(): void {
    const now = this.#clock.monotonic()
    for (const [peer, { rawStream: { writeBufferLength: buffered } }] of this.#gossipsub.streamsOutbound) {
      const silence = this.#silences.get(peer)
      if (buffered === 0) this.#silences.delete(peer)
      else if (silence === undefined || buffered < silence.buffered) this.#silences.set(peer, { buffered, since: now, looks: 0 })
      else {
        silence.buffered = buffered
        if (++silence.looks >= SILENT_LOOKS && now - silence.since >= SILENT_AFTER_MS) this.#prune(peer)
      }
    }
    for (const peer of this.#silences.keys()) if (!this.#gossipsub.streamsOutbound.has(peer)) this.#silences.delete(peer)
  }

  #prune(peer: PeerKey): void {
    let wasInMesh = false
    for (const topic of this.#gossipsub.mesh.keys()) wasInMesh = leaveMesh(this.#gossipsub, peer, topic) || wasInMesh
    if (wasInMesh) this.#options.prunedSilent(peer)
  }

  /** To be called every 10 s: the peers that have not read for 20 s or more, to be disconnected. */
  sweep(): PeerKey[] {
    const stuck: PeerKey[] = []
    for (const peer of this.#fullSince.keys()) if (!this.#isFull(peer)) this.#fullSince.delete(peer)
    for (const peer of this.#gossipsub.streamsOutbound.keys()) {
      if (!this.#isFull(peer)) continue
      const sweeps = (this.#fullSince.get(peer) ?? 0) + 1
      this.#fullSince.set(peer, sweeps)
      if (sweeps < STUCK_AFTER_SWEEPS) continue
      this.#fullSince.delete(peer)
      stuck.push(peer)
    }
    return stuck
  }

  #isFull(peer: PeerKey, bytes = Infinity): boolean {
    const buffered = this.buffered(peer)
    if (buffered >= this.#options.pauseOutboundBytes + (bytes <= SMALL_MESSAGE ? ROOM_FOR_SMALL : 0)) return true
    if (bytes <= SMALL_MESSAGE) return false
    return buffered > SMALL_BUFFER && this.#total() >= this.#options.totalOutboundBytes
  }

  #total(): number {
    let total = 0
    for (const { rawStream } of this.#gossipsub.streamsOutbound.values()) total += rawStream.writeBufferLength
    return total
  }

  #send(send: (peer: string, rpc: Rpc) => boolean, peer: PeerKey, rpc: Rpc): boolean {
    const [first, ...rest] = rpc.messages
    if (first === undefined) return send(peer, rpc)
    let sent = this.#sendOne(send, peer, { ...rpc, messages: [first] })
    for (const message of rest) sent = this.#sendOne(send, peer, alone(message)) && sent
    return sent
  }

  #sendOne(send: (peer: string, rpc: Rpc) => boolean, peer: PeerKey, rpc: Rpc): boolean {
    if (!this.#isFull(peer, rpc.messages[0]?.data?.length ?? 0)) return send(peer, rpc)
    this.#options.heldBack()
    // control messages are small, and the mesh depends on them
    if (rpc.control !== undefined) send(peer, { ...rpc, messages: [] })
    return false
  }
}

/** Prunes a peer from our mesh of a topic, with the usual backoff; false if it was not in it. */
export function leaveMesh(gossipsub: GossipsubInternals, peer: PeerKey, topic: string): boolean {
  if (gossipsub.mesh.get(topic)?.delete(peer) !== true) return false
  gossipsub.addBackoff(peer, topic)
  void gossipsub.makePrune(peer, topic, false, false).then(prune => gossipsub.sendRpc(peer, { messages: [], control: { prune: [prune] } }))
  return true
}

function alone(message: RpcMessage): Rpc {
  return { subscriptions: [], messages: [message] }
}
