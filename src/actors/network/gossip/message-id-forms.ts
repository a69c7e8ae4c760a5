import { LRUCache } from 'lru-cache'
import { gossipMessageId, toHex } from '../../../protocol/index.js'
import type { Topics } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Rpc } from './gossipsub-internals.js'

/** The forms of message ids in use on the network (SPEC §5). */
export type MessageIdForm = 'snappy' | 'topic-bound'

/** Number of peers seen to use our form of message ids, and the other one. */
export interface MessageIdFormCounts { readonly ours: number; readonly other: number }

/** Remembered messages with their other id, and peers with their form. */
const MAX_MESSAGES = 2_048
const MAX_PEERS = 1_024
/** Larger ones are not hashed a second time. Bytes. */
const MAX_BYTES = 65_536
/** Ids looked at in one RPC. */
const MAX_IDS = 16
/** Peers needed before the counts say something about the network. */
const LEAST_PEERS = 3

interface Ids { readonly messageIDs?: readonly Uint8Array[] }

/**
 * Detects which form of message ids peers use, from the ids in their IHAVE and IDONTWANT for messages that we know. Upstream is moving from
 * one form to the other (SPEC §5); a node on the minority form receives every message several times and requests what it has.
 */
export class MessageIdForms {
  readonly #otherId: (topic: string, data: Uint8Array) => Uint8Array
  readonly #others = new LRUCache<string, true>({ max: MAX_MESSAGES })
  readonly #ours = new LRUCache<string, true>({ max: MAX_MESSAGES })
  /** Whether the peer uses our form. */
  readonly #peers = new LRUCache<PeerKey, boolean>({ max: MAX_PEERS })
  #warned = false

  /** @param warn called when more than half of the peers use the other form, and when that is over */
  constructor(topics: Topics, form: MessageIdForm, private readonly warn: (isOther: boolean, counts: MessageIdFormCounts) => void) {
    this.#otherId = gossipMessageId({ topics, scheme: form === 'snappy' ? 'topic-bound' : 'snappy' })
  }

  /** A message that we have, and its id. */
  known(id: string, topic: string, data: Uint8Array): void {
    if (data.length > MAX_BYTES) return
    const other = toHex(this.#otherId(topic, data))
    // messages that are not plausible for their topic have the same id in both forms
    if (other === id) return
    this.#ours.set(id, true)
    this.#others.set(other, true)
  }

  /** A stage of the inbound pipeline that changes nothing. */
  rpc(peer: PeerKey, rpc: Rpc): Rpc {
    const { idontwant = [], ihave = [] } = (rpc.control ?? {}) as { readonly ihave?: readonly Ids[]; readonly idontwant?: readonly Ids[] }
    let left = MAX_IDS
    for (const { messageIDs = [] } of [...ihave, ...idontwant]) {
      for (const id of messageIDs.slice(0, left)) this.#saw(peer, toHex(id))
      left -= Math.min(left, messageIDs.length)
    }
    return rpc
  }

  get counts(): MessageIdFormCounts {
    const ours = [...this.#peers.values()].filter(isOurs => isOurs).length
    return { ours, other: this.#peers.size - ours }
  }

  #saw(peer: PeerKey, id: string): void {
    const isOurs = this.#ours.has(id)
    if (!isOurs && !this.#others.has(id)) return
    const before = this.#peers.get(peer)
    this.#peers.set(peer, isOurs)
    if (before === isOurs) return
    const { counts } = this
    const isOther = counts.other > counts.ours && counts.other + counts.ours >= LEAST_PEERS
    if (isOther !== this.#warned) this.warn(isOther, counts)
    this.#warned = isOther
  }
}
