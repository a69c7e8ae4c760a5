import { createHash } from 'node:crypto'
import { MAX_GOSSIP_BYTES, SIGNED_COMMITMENT_SIZE } from './layout.js'
import { decompressSnappy } from './snappy.js'
import type { Topics } from './topics.js'
import { hasTxListOffset } from './view.js'

/** Bytes of a message id. */
export const MESSAGE_ID_SIZE = 20

const INVALID_SNAPPY = new Uint8Array([0, 0, 0, 0])
const VALID_SNAPPY = new Uint8Array([1, 0, 0, 0])

/**
 * The id of a gossip message as today's network computes it (SPEC §5): 20 bytes of SHA256(00000000 ‖ data), or of
 * SHA256(01000000 ‖ decompressed) where the data happens to be raw snappy of at most 10 MiB. Depends on nothing else.
 */
export function messageId(data: Uint8Array): Uint8Array {
  const decompressed = decompressSnappy(data, MAX_GOSSIP_BYTES)
  const hash = createHash('sha256')
  if (decompressed === undefined) hash.update(INVALID_SNAPPY).update(data)
  else hash.update(VALID_SNAPPY).update(decompressed)
  return shorten(hash.digest())
}

/**
 * The id that upstream is moving to, which binds the topic (SPEC §5): 20 bytes of
 * SHA256(domain ‖ uint64_le(length of topic) ‖ topic ‖ payload), domain and payload as in `messageId`.
 */
export function topicBoundMessageId(topic: string, data: Uint8Array): Uint8Array {
  const decompressed = decompressSnappy(data, MAX_GOSSIP_BYTES)
  const topicBytes = new TextEncoder().encode(topic)
  const length = new Uint8Array(8)
  new DataView(length.buffer).setUint32(0, topicBytes.length, true)
  return shorten(createHash('sha256')
    .update(decompressed === undefined ? INVALID_SNAPPY : VALID_SNAPPY)
    .update(length).update(topicBytes)
    .update(decompressed ?? data)
    .digest())
}

/** Whether `data` has the form that every message of this topic has; false for any other topic (SPEC §5). */
export function isPlausible(topics: Topics, topic: string, data: Uint8Array): boolean {
  if (topic === topics.commitments) return data.length === SIGNED_COMMITMENT_SIZE
  if (topic === topics.txLists) return hasTxListOffset(data)
  return false
}

export interface GossipMessageIdOptions {
  /** Our two topics. */
  readonly topics: Topics
  /** `snappy`: today's network (default). `topic-bound`: what upstream is moving to. */
  readonly scheme?: 'snappy' | 'topic-bound'
}

/**
 * The id function for gossipsub. Under `snappy` a payload that cannot be a message of its topic gets the topic-bound id:
 * otherwise honest bytes, sent on the other topic first, would take the honest message's id from it (H03).
 */
export function gossipMessageId(
  { topics, scheme = 'snappy' }: GossipMessageIdOptions,
): (topic: string, data: Uint8Array) => Uint8Array {
  if (scheme === 'topic-bound') return topicBoundMessageId
  return (topic, data) => isPlausible(topics, topic, data) ? messageId(data) : topicBoundMessageId(topic, data)
}

/** A plain Uint8Array, where the hash gives a Buffer. */
function shorten(digest: Uint8Array): Uint8Array {
  return new Uint8Array(digest.buffer, digest.byteOffset, MESSAGE_ID_SIZE)
}
