import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { GossipsubInternals, Rpc, RpcMessage } from './gossipsub-internals.js'

export interface OutboundBuffersOptions {
  /** A stream that holds this many bytes takes no message. */
  readonly pauseOutboundBytes: number
  /** All streams together: above it one that holds a good deal already takes none either. */
  readonly totalOutboundBytes: number
  /** A message was not given to a full stream. */
  heldBack(): void
  /** A peer took nothing for so long that it has left our meshes. */
  prunedSilent(peer: PeerKey): void
  /** Peers that get what we publish whether they are in our mesh or not, the most deserving first: static and proven ones. */
  worthy(subscribers: Iterable<PeerKey>): readonly PeerKey[]
}

/** What a stream may hold whatever the others hold: a few hundred commitments. Bytes. */
const SMALL_BUFFER = 262_144
/** A stream that is full at so many sweeps in a row has a peer that does not read. */
const STUCK_AFTER_SWEEPS = 3
/** Who takes nothing of what waits for it for so long leaves our meshes (SPEC §8), and at so many looks. Milliseconds. */
const SILENT_AFTER_MS = 2_000
const SILENT_LOOKS = 4
/** What is no larger than this has room beside a large message that waits: a commitment behind its txlist. Bytes. */
const SMALL_MESSAGE = 65_536
const ROOM_FOR_SMALL = 1_048_576

/** Between two looks at the buffers while a publisher waits, in milliseconds. */
const LOOK_EVERY_MS = 10

/** How long a peer has taken nothing of what waits for it. */
interface Silence { buffered: number; since: number; looks: number }

/**
 * Keeps gossipsub's outbound buffers from overrunning, which the library answers by killing the stream for good (H35), and those who do not read
 * from holding up those who do (H68):
 *
 * - no message is given to a stream whose buffer is full already (forwarding to a slow peer is lost, IHAVE brings it later);
 * - what we publish goes at once to all who have room, in the mesh, static or proven, and waits only where nobody has;
 * - who takes nothing for two seconds leaves the mesh.
 *
 * It also sends every message in an RPC of its own: the library puts all that an IWANT asks for into one, and refuses RPCs over 4 MiB,
 * so that whoever asks for three large txlists would get none.
 */
export class OutboundBuffers {
  readonly #gossipsub: GossipsubInternals
  readonly #clock: Clock
  readonly #options: OutboundBuffersOptions
  /** At how many sweeps in a row a peer's stream was full. */
  readonly #fullSince = new Map<PeerKey, number>()
  /** Peers for whom something waits. */
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

  /** Bytes that wait for a peer. */
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
   * Resolves when anybody to whom a message of so many bytes would go has room for it, at the latest after `ms`; says whether there is one. Where it
   * would go to nobody there is nobody to wait for.
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

  /** To be called a few times a second: who takes nothing leaves our meshes. */
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

  /** To be called every 10 s: peers that have not read for 20 s or more, and whose connection is better closed. */
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
    // what the message carried with it still goes: it is small, and the mesh depends on it
    if (rpc.control !== undefined) send(peer, { ...rpc, messages: [] })
    return false
  }
}

/** Takes a peer out of our mesh of a topic, with the usual backoff; says whether it was in it. */
export function leaveMesh(gossipsub: GossipsubInternals, peer: PeerKey, topic: string): boolean {
  if (gossipsub.mesh.get(topic)?.delete(peer) !== true) return false
  gossipsub.addBackoff(peer, topic)
  void gossipsub.makePrune(peer, topic, false, false).then(prune => gossipsub.sendRpc(peer, { messages: [], control: { prune: [prune] } }))
  return true
}

function alone(message: RpcMessage): Rpc {
  return { subscriptions: [], messages: [message] }
}
