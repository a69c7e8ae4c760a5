import { peerIdFromString } from '@libp2p/peer-id'
import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock } from '../../kernel/index.js'

/**
 * What is known of a message's author, before its signature is verified. `own`: the author is the sending peer itself. `proven`: its
 * commitments were accepted. `refused`: its commitments were refused; `own_refused`: and it is the sending peer. `unknown`: any other.
 */
export type Authorship = 'own' | 'proven' | 'unknown' | 'refused' | 'own_refused'

/** How long messages of a refused author are dropped, ms. */
const REFUSED_MS = 300_000
/** Authors remembered of each kind; the least recently seen is dropped first. */
const MAX_REFUSED = 4_096
const MAX_PROVEN = 1_024
const MAX_PEERS = 4_096

const keyOf = (multihash: Uint8Array): string => Buffer.from(multihash.buffer, multihash.byteOffset, multihash.byteLength).toString('latin1')

/**
 * What is known of the authors of gossip (SPEC §6, H85). A refusal that depends on our own state says nothing against an honest relay, so
 * it counts against the author alone. The first refusal takes away a proven status; the next one, or the first of an unproven author, drops
 * its messages for five minutes or until the schedule changes.
 */
export class Authors {
  readonly #proven = new LRUCache<string, true>({ max: MAX_PROVEN })
  /** Author → end of the refusal, monotonic ms. */
  readonly #refused = new LRUCache<string, number>({ max: MAX_REFUSED })
  readonly #peers = new LRUCache<PeerKey, string>({ max: MAX_PEERS })

  constructor(private readonly clock: Clock) {}

  get refused(): number { return this.#refused.size }

  /** @param from the author's peer id in the envelope, not verified yet */
  authorship(peer: PeerKey, from: Uint8Array | undefined): Authorship {
    if (from === undefined || from.length === 0) return 'own'
    if (from.length > MAX_ID_BYTES) return 'unknown'
    const author = keyOf(from)
    const isOwn = author === this.#keyOfPeer(peer)
    if ((this.#refused.get(author) ?? -Infinity) > this.clock.monotonic()) return isOwn ? 'own_refused' : 'refused'
    return isOwn ? 'own' : this.#proven.has(author) ? 'proven' : 'unknown'
  }

  /** A commitment of this author was accepted. */
  accepted(author: PeerKey): void {
    const key = this.#keyOfPeer(author)
    this.#refused.delete(key)
    this.#proven.set(key, true)
  }

  /** A commitment of this author was refused, and no relay is at fault. */
  refuse(author: PeerKey): void {
    const key = this.#keyOfPeer(author)
    if (!this.#proven.delete(key)) this.#refused.set(key, this.clock.monotonic() + REFUSED_MS)
  }

  /** The schedule has changed: refused authors may be elected now. */
  forgive(): void { this.#refused.clear() }

  #keyOfPeer(peer: PeerKey): string {
    const key = this.#peers.get(peer) ?? keyOf(peerIdFromString(peer).toMultihash().bytes)
    this.#peers.set(peer, key)
    return key
  }
}

/** Longer than any peer id that libp2p knows. */
const MAX_ID_BYTES = 64
