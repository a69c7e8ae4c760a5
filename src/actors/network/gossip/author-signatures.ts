import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import { RPC } from '@libp2p/gossipsub/message'
import type { PeerId, PublicKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { LRUCache } from 'lru-cache'
import type { PeerKey } from '../../../protocol/peer-key.js'
import { NetworkError } from '../errors.js'
import { nativeKey } from './author-batch.js'
import type { AuthorVerifier } from './author-verifier.js'
import type { GossipsubInternals, RpcMessage } from './gossipsub-internals.js'

/** The results of gossipsub's first check of a message that are returned here. */
type FirstLook =
  | { readonly code: 'duplicate'; readonly msgIdStr: string }
  | { readonly code: 'valid'; readonly messageId: { readonly msgId: Uint8Array; readonly msgIdStr: string }; readonly msg: AuthoredMessage }

/** A message with a verified author, as gossipsub passes it on. */
interface AuthoredMessage {
  readonly type: 'signed'
  readonly from: PeerId
  readonly data: Uint8Array
  readonly sequenceNumber: bigint
  readonly topic: string
  readonly signature: Uint8Array
  readonly key: PublicKey
}

interface SignedMessage extends RpcMessage {
  readonly seqno?: Uint8Array
  readonly signature?: Uint8Array
  readonly key?: Uint8Array
}

interface Cache { has(key: string): boolean; get(key: string): string | undefined; put(key: string, value?: string): boolean }

/** Further internals of gossipsub 17.1.1 that are used here. */
interface FirstLookInternals {
  readonly opts: { readonly idontwantMinDataSize: number }
  readonly seenCache: Cache
  readonly fastMsgIdCache: Cache
  msgIdFn(message: AuthoredMessage): Uint8Array | Promise<Uint8Array>
  msgIdToStrFn(id: Uint8Array): string
  sendIDontWants(id: Uint8Array, topic: string, source: string): void
  /** Replaced on the instance. */
  validateReceivedMessage(source: PeerId, message: SignedMessage): Promise<FirstLook | { readonly code: 'invalid' }>
}

interface Author { readonly key: PublicKey; readonly native: KeyObject; readonly peerId: PeerId }

/** Messages of one peer that are verified concurrently. More of them make fuller batches for the validator. */
const AHEAD = 32
/** Bytes of these: as many as eight of the largest messages. */
const AHEAD_BYTES = 16 * 1_024 * 1_024
/** Authors whose keys are cached. */
const AUTHORS = 256
const SIGNED_PREFIX = Buffer.from('libp2p-pubsub:')
/** The first bytes of an Ed25519 peer id: an identity multihash of 36 bytes, which hold the key as protobuf. */
const ID_PREFIX = Buffer.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20])
const ID_SIZE = 38
const KEY_AT = 2
const SEQNO_SIZE = 8
const SIGNATURE_SIZE = 64

/**
 * Verifies the Ed25519 signatures of messages' authors on other threads (SPEC §5, StrictSign; `author-verifier.ts`). gossipsub 17.1.1
 * verifies them on the main thread, which is 75 of the 190 µs that a message costs there (`npm run bench -- gossip`).
 *
 * Reimplements gossipsub's first check for messages with a valid signature, without topic validators and transforms, which we do not use.
 * Every other message (another key type, malformed, a wrong signature) goes to gossipsub itself, which checks it again and applies its
 * penalties. The messages of a peer keep their order. For a proven peer, the first message in a turn of the event loop is verified on the
 * main thread, since waking a thread takes longer; for other peers none is, since they may flood.
 * @throws NetworkError `library_changed`
 */
export function verifyAuthorsAside(
  gossipsub: GossipsubInternals, verifier: Pick<AuthorVerifier, 'verify'>, isProven: (peer: PeerKey) => boolean = () => false,
): void {
  const internals = checked(gossipsub)
  const firstLook = internals.validateReceivedMessage.bind(internals)
  const receive = internals.handleReceivedMessage.bind(internals)
  const authors = new LRUCache<string, Author>({ max: AUTHORS })
  const lanes = new Map<PeerKey, Lane>()
  /** Verifications in flight by fast id: copies wait for the result of the first. */
  const underWay = new Map<string, Promise<boolean>>()
  const turn = new Turn(isProven)

  internals.validateReceivedMessage = async (source, message) => {
    const fastId = internals.fastMsgIdFn(message)
    await underWay.get(fastId)
    const seen = internals.fastMsgIdCache.get(fastId)
    if (seen !== undefined) return { code: 'duplicate', msgIdStr: seen }
    const author = authorOf(message, authors)
    if (author === undefined) return firstLook(source, message)
    const peer = source.toString()
    const lane = lanes.get(peer)
    const bytes = signedBytes(message)
    if (lane === undefined || (turn.isFirst(peer) && lane.underWay === 1)) {
      if (!verify(null, bytes, author.native, message.signature!)) return firstLook(source, message)
    } else {
      const verified = verifier.verify({ key: author.key.raw, native: author.native, bytes, signature: message.signature! })
      underWay.set(fastId, verified)
      const isAuthentic = await lane.inOrder(verified)
      if (underWay.get(fastId) === verified) underWay.delete(fastId)
      turn.isBusy(peer)
      if (!isAuthentic) return firstLook(source, message)
    }
    return proven(internals, source, message, author, fastId)
  }

  internals.handleReceivedMessage = async (from, message) => {
    const peer = from.toString()
    const lane = lanes.get(peer) ?? new Lane()
    lanes.set(peer, lane)
    await lane.admit(message.data?.length ?? 0, receive.bind(undefined, from, message), () => { if (lanes.get(peer) === lane) lanes.delete(peer) })
  }
}

/** The messages of one peer. */
class Lane {
  underWay = 0
  #bytes = 0
  /** Awaited outcomes, in the order of the messages. */
  readonly #outcomes: Array<{ value: boolean | undefined; readonly resolve: (outcome: boolean) => void }> = []
  /** Waiting RPCs: several if a peer opened a new stream before the last one was handled. */
  readonly #waiting: Array<() => void> = []

  /** Starts a message, and resolves once there is room for the next. Calls `idle` when none is left. Never rejects: gossipsub would only log it. */
  async admit(bytes: number, handle: () => Promise<void>, idle: () => void): Promise<void> {
    this.underWay++
    this.#bytes += bytes
    void handle().catch(() => undefined).then(() => {
      this.#bytes -= bytes
      if (--this.underWay === 0) idle()
      this.#waiting.shift()?.()
    })
    if (this.underWay >= AHEAD || this.#bytes >= AHEAD_BYTES) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
  }

  /** The outcome, after those before it. Outcomes that are ready together resolve together, so that they share a batch of the validator. */
  inOrder(outcome: Promise<boolean>): Promise<boolean> {
    return new Promise(resolve => {
      const place = { value: undefined as boolean | undefined, resolve }
      this.#outcomes.push(place)
      void outcome.then(value => {
        place.value = value
        for (let [first] = this.#outcomes; first?.value !== undefined; [first] = this.#outcomes) {
          first.resolve(first.value)
          this.#outcomes.shift()
        }
      })
    })
  }
}

/** Knows which peers have already had a message in this turn of the event loop. */
class Turn {
  readonly #peers = new Set<PeerKey>()

  constructor(private readonly isProven: (peer: PeerKey) => boolean) {}

  isFirst(peer: PeerKey): boolean {
    const is = !this.#peers.has(peer) && this.isProven(peer)
    this.isBusy(peer)
    return is
  }

  /** Whether there was a message of this peer in this turn. */
  isBusy(peer: PeerKey): void {
    if (this.#peers.size === 0) setImmediate(() => { this.#peers.clear() })
    this.#peers.add(peer)
  }
}

/** The rest of gossipsub's first check: ids, seen cache, IDONTWANT. */
async function proven(internals: FirstLookInternals, source: PeerId, message: SignedMessage, author: Author, fastId: string): Promise<FirstLook> {
  const { seqno, signature, topic, data = new Uint8Array(0) } = message
  const sequenceNumber = Buffer.from(seqno!).readBigUInt64BE()
  const msg: AuthoredMessage = { type: 'signed', from: author.peerId, data, sequenceNumber, topic, signature: signature!, key: author.key }
  const msgId = await internals.msgIdFn(msg)
  const msgIdStr = internals.msgIdToStrFn(msgId)
  internals.fastMsgIdCache.put(fastId, msgIdStr)
  if (internals.seenCache.has(msgIdStr)) return { code: 'duplicate', msgIdStr }
  internals.seenCache.put(msgIdStr)
  if (data.length >= internals.opts.idontwantMinDataSize) internals.sendIDontWants(msgId, topic, source.toString())
  return { code: 'valid', messageId: { msgId, msgIdStr }, msg }
}

/** The author; undefined if the envelope is not of the form that this module handles. */
function authorOf({ from, key, seqno, signature }: SignedMessage, authors: LRUCache<string, Author>): Author | undefined {
  if (from?.length !== ID_SIZE || ID_PREFIX.compare(from, 0, ID_PREFIX.length) !== 0) return undefined
  if (seqno?.length !== SEQNO_SIZE || signature?.length !== SIGNATURE_SIZE) return undefined
  // a separate key must equal the one in the peer id
  if (key !== undefined && Buffer.compare(key, from.subarray(KEY_AT)) !== 0) return undefined
  const name = Buffer.from(from).toString('latin1')
  const known = authors.get(name)
  if (known !== undefined) return known
  const publicKey = publicKeyFromProtobuf(Uint8Array.from(from.subarray(KEY_AT)))
  if (publicKey.type !== 'Ed25519') return undefined
  const author: Author = { key: publicKey, peerId: peerIdFromPublicKey(publicKey), native: nativeKey(publicKey.raw) }
  authors.set(name, author)
  return author
}

/** The bytes that the author signed: the message without signature and key. */
function signedBytes({ from, data, seqno, topic }: SignedMessage): Uint8Array {
  const signed = { topic, ...(from !== undefined && { from }), ...(data !== undefined && { data }), ...(seqno !== undefined && { seqno }) }
  return Buffer.concat([SIGNED_PREFIX, RPC.Message.encode(signed)])
}

function checked(gossipsub: GossipsubInternals): GossipsubInternals & FirstLookInternals {
  const internals = gossipsub as GossipsubInternals & FirstLookInternals
  for (const name of ['msgIdFn', 'msgIdToStrFn', 'sendIDontWants', 'validateReceivedMessage'] as const) {
    if (typeof internals[name] !== 'function') throw missing(name)
  }
  for (const cache of ['seenCache', 'fastMsgIdCache'] as const) if (typeof internals[cache]?.put !== 'function') throw missing(cache)
  if (typeof internals.opts?.idontwantMinDataSize !== 'number') throw missing('opts.idontwantMinDataSize')
  return internals
}

function missing(what: string): NetworkError {
  return new NetworkError('library_changed', `gossipsub has no ${what} any more`, { value: what })
}
