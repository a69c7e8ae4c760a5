import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'
import type { GossipsubInternals, Rpc, RpcMessage } from './gossipsub-internals.js'

export interface OutboundGuardOptions {
  /** A stream that holds this many bytes takes no message. */
  readonly pauseOutboundBytes: number
  /** All streams together: above it one that holds a good deal already takes none either. */
  readonly totalOutboundBytes: number
  /** A message was not given to a full stream. */
  heldBack(): void
}

/** What a stream may hold whatever the others hold: a few hundred commitments. Bytes. */
const SMALL_BUFFER = 262_144
/** A stream that is full at so many sweeps in a row has a peer that does not read. */
const STUCK_AFTER_SWEEPS = 3

/** Between two looks at the buffers while a publisher waits, in milliseconds. */
const LOOK_EVERY_MS = 10

/**
 * Keeps gossipsub's outbound buffers from overrunning, which the library answers by killing the stream for good (H35). Two parts:
 * no message is given to a stream whose buffer is full already (forwarding to a slow peer is lost, IHAVE brings it later); and our own
 * messages wait until the mesh can take them.
 *
 * It also sends every message in an RPC of its own: the library puts all that an IWANT asks for into one, and refuses RPCs over 4 MiB,
 * so that whoever asks for three large txlists would get none.
 */
export class OutboundGuard {
  readonly #gossipsub: GossipsubInternals
  readonly #clock: Clock
  readonly #options: OutboundGuardOptions
  /** At how many sweeps in a row a peer's stream was full. */
  readonly #fullSince = new Map<PeerKey, number>()

  constructor(gossipsub: GossipsubInternals, clock: Clock, options: OutboundGuardOptions) {
    this.#gossipsub = gossipsub
    this.#clock = clock
    this.#options = options
    const send = gossipsub.sendRpc.bind(gossipsub)
    gossipsub.sendRpc = (peer, rpc) => this.#send(send, peer, rpc)
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
   * Resolves when the buffers of at least half of the topic's mesh can take a message, at the latest after `ms`; says whether they can.
   * Half of it: one peer that does not read must not hold our publishing up.
   */
  async ready(topic: string, ms: number): Promise<boolean> {
    const until = this.#clock.monotonic() + ms
    while (!this.#mostCanTake(topic)) {
      if (this.#clock.monotonic() >= until) return false
      await new Promise<void>(resolve => { this.#clock.setTimeout(resolve, LOOK_EVERY_MS) })
    }
    return true
  }

  #mostCanTake(topic: string): boolean {
    const mesh = this.#gossipsub.getMeshPeers(topic)
    const full = mesh.filter(peer => this.#isFull(peer)).length
    return full * 2 <= mesh.length && (mesh.length !== 1 || full === 0)
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

  #isFull(peer: PeerKey): boolean {
    const buffered = this.buffered(peer)
    if (buffered >= this.#options.pauseOutboundBytes) return true
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
    if (!this.#isFull(peer)) return send(peer, rpc)
    this.#options.heldBack()
    // what the message carried with it still goes: it is small, and the mesh depends on it
    if (rpc.control !== undefined) send(peer, { ...rpc, messages: [] })
    return false
  }
}

function alone(message: RpcMessage): Rpc {
  return { subscriptions: [], messages: [message] }
}
