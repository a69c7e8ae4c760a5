import { LRUCache } from 'lru-cache'
import { gossipMessageId, toHex } from '../../../protocol/index.js'
import type { Topics } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Rpc } from './gossipsub-internals.js'

/** The forms of a message id that the network knows (SPEC §5). */
export type MessageIdForm = 'snappy' | 'topic-bound'

/** Peers that were seen to use our form of message ids, and the other one. */
export interface MessageIdFormCounts { readonly ours: number; readonly other: number }

/** Messages whose other id is known, and peers whose form is. */
const MAX_MESSAGES = 2_048
const MAX_PEERS = 1_024
/** Larger ones are not hashed a second time. Bytes. */
const MAX_BYTES = 65_536
/** Ids looked at in one RPC. */
const MAX_IDS = 16
/** Fewer peers say nothing of the network. */
const LEAST_PEERS = 3

interface Ids { readonly messageIDs?: readonly Uint8Array[] }

/**
 * Which form of message id peers use, read from what they tell of messages that we know: IHAVE and IDONTWANT. Upstream is moving from one to the
 * other (SPEC §5), and whoever uses another one than most gets everything several times and asks for what it has.
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
    // what cannot be of its topic has one id under both
    if (other === id) return
    this.#ours.set(id, true)
    this.#others.set(other, true)
  }

  /** A stage of the inbound pipeline that only looks. */
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
