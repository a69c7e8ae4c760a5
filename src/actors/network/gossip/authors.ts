import { peerIdFromString } from '@libp2p/peer-id'
import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'

/**
 * Whose message it is, as far as its bytes say: `own`: of the peer that brings it, so that peer answers for it. `proven`: of an author whose
 * commitments were accepted. `refused`, `own_refused`: of one whose commitments were refused. `unknown`: of anybody else.
 */
export type Authorship = 'own' | 'proven' | 'unknown' | 'refused' | 'own_refused'

/** How long a refused author is not listened to, ms. */
const REFUSED_MS = 300_000
/** Authors kept of each kind; who was seen longest ago gives way. */
const MAX_REFUSED = 4_096
const MAX_PROVEN = 1_024
const MAX_PEERS = 4_096

const keyOf = (multihash: Uint8Array): string => Buffer.from(multihash.buffer, multihash.byteOffset, multihash.byteLength).toString('latin1')

/**
 * What is known of the authors of gossip (SPEC §6, H85). A relay that knows less is honest, so what takes our state to be told is held
 * against the author alone. One refusal takes what an author had proven; the next, or the first of one who had proven nothing, silences it
 * for five minutes, or until the schedule changes.
 */
export class Authors {
  readonly #proven = new LRUCache<string, true>({ max: MAX_PROVEN })
  /** Until when. */
  readonly #refused = new LRUCache<string, number>({ max: MAX_REFUSED })
  readonly #peers = new LRUCache<PeerKey, string>({ max: MAX_PEERS })

  constructor(private readonly clock: Clock) {}

  get refused(): number { return this.#refused.size }

  /** @param from the author's peer id as it stands in the envelope; not verified yet */
  authorship(peer: PeerKey, from: Uint8Array | undefined): Authorship {
    if (from === undefined || from.length === 0) return 'own'
    if (from.length > MAX_ID_BYTES) return 'unknown'
    const author = keyOf(from)
    const isOwn = author === this.#keyOfPeer(peer)
    if ((this.#refused.get(author) ?? -Infinity) > this.clock.monotonic()) return isOwn ? 'own_refused' : 'refused'
    return isOwn ? 'own' : this.#proven.has(author) ? 'proven' : 'unknown'
  }

  /** A commitment of its author was accepted. */
  accepted(author: PeerKey): void {
    const key = this.#keyOfPeer(author)
    this.#refused.delete(key)
    this.#proven.set(key, true)
  }

  /** A commitment of its author was refused, and that is nobody else's fault. */
  refuse(author: PeerKey): void {
    const key = this.#keyOfPeer(author)
    if (!this.#proven.delete(key)) this.#refused.set(key, this.clock.monotonic() + REFUSED_MS)
  }

  /** The schedule has changed: who was refused may be right now. */
  forgive(): void { this.#refused.clear() }

  #keyOfPeer(peer: PeerKey): string {
    const key = this.#peers.get(peer) ?? keyOf(peerIdFromString(peer).toMultihash().bytes)
    this.#peers.set(peer, key)
    return key
  }
}

/** A peer id of any kind that libp2p knows is shorter. */
const MAX_ID_BYTES = 64
