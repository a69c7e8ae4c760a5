import '../../polyfill.js'
import { publicKeyFromProtobuf, publicKeyFromRaw, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { Point } from '@noble/secp256k1'
import type { PeerKey } from '../../protocol/peer-key.js'
import { addressOf, ipFromBytes, scopeOf } from './ip.js'
import type { Ip, AddressScope } from './ip.js'
import { CHAIN_KEY, NETWORK_KEY } from './record.js'

/** What is read of a node's ENR, its signature already checked. `ENR` of @chainsafe/enr is one. */
export interface ForeignRecord {
  readonly seq: bigint
  readonly nodeId: string
  /** Compressed secp256k1 key, 33 bytes. */
  readonly publicKey: Uint8Array
  /** Whatever the signer put there; a nested list of RLP is not even bytes. */
  readonly kvs: ReadonlyMap<string, unknown>
}

/** A node that another one told of, or that wrote to us. Everything in it is a claim, until noise has proved the peer id. */
export interface Candidate {
  readonly nodeId: string
  readonly seq: bigint
  readonly peer: PeerKey
  /** Where libp2p is said to listen, each with `/p2p/…`. */
  readonly addresses: readonly string[]
  readonly ips: readonly Ip[]
  /** The ENR's own key, compressed. */
  readonly publicKey: Uint8Array
  /** Whether the peer id is made of the ENR's own key. */
  readonly ownKey: boolean
}

/** Why a record is not worth a dial. */
export type Unfit =
  /** Another chain, or none (SPEC §8). */
  | 'other_chain'
  /** The key under `libp2p` is none that this network takes. */
  | 'bad_key'
  /** No TCP address that may be dialled from here. */
  | 'no_address'

/** What addresses of others may be used, told by where we are ourselves. */
export type Reachable = (reach: AddressScope) => boolean

/** The longest public key in protobuf form that is taken: secp256k1's has 37 bytes, Ed25519's 36. */
const MAX_KEY_BYTES = 64

/**
 * Reads what a node claims of itself (SPEC §8). Never throws, whatever is in the record.
 * @param chain the chain's bytes as `chainBytes` gives them
 */
export function readCandidate(record: ForeignRecord, chain: Uint8Array, reachable: Reachable): Candidate | Unfit {
  const claimed = bytesOf(record, CHAIN_KEY)
  if (claimed === undefined || !Buffer.from(chain).equals(claimed)) return 'other_chain'
  const peer = peerOf(record)
  if (peer === undefined) return 'bad_key'
  const endpoints = [endpoint(record, 'ip', 'tcp'), endpoint(record, 'ip6', 'tcp6')]
    .filter(found => found !== undefined).filter(({ ip }) => reachable(scopeOf(ip)))
  if (endpoints.length === 0) return 'no_address'
  return {
    nodeId: record.nodeId, seq: record.seq, peer,
    addresses: endpoints.map(({ ip, port }) => `${addressOf(ip, 'tcp', port)}/p2p/${peer}`),
    ips: endpoints.map(({ ip }) => ip),
    publicKey: record.publicKey, ownKey: !record.kvs.has(NETWORK_KEY),
  }
}

/** Whether a record names a chain, and another one than ours. */
export function namesOtherChain(record: ForeignRecord, chain: Uint8Array): boolean {
  const claimed = bytesOf(record, CHAIN_KEY)
  return claimed === undefined ? record.kvs.has(CHAIN_KEY) : !Buffer.from(chain).equals(claimed)
}

/** Where a record says that discv5 listens, in one family. */
export function udpEndpoint(record: ForeignRecord, family: 4 | 6): { readonly ip: Ip; readonly port: number } | undefined {
  return family === 4 ? endpoint(record, 'ip', 'udp') : endpoint(record, 'ip6', 'udp6')
}

/** The peer id that a public key in protobuf form stands for; `undefined` for keys that this network does not take (SPEC §10: RSA). */
export function peerOfNetworkKey(protobuf: Uint8Array): PeerKey | undefined {
  if (protobuf.length > MAX_KEY_BYTES) return undefined
  try {
    const key = publicKeyFromProtobuf(protobuf)
    if (key.type !== 'Ed25519' && key.type !== 'secp256k1') return undefined
    // one key has one form: another would be another peer to who compares bytes
    return Buffer.from(publicKeyToProtobuf(key)).equals(protobuf) ? peerIdFromPublicKey(key).toString() : undefined
  } catch {
    return undefined
  }
}

/** The peer id of a secp256k1 key of 33 bytes. @throws where it is none */
export function peerOfRecordKey(compressed: Uint8Array): PeerKey { return peerIdFromPublicKey(publicKeyFromRaw(compressed)).toString() }

/** The 64 bytes behind the `04` of a key's uncompressed form. @throws where it is none */
export function uncompressed(publicKey: Uint8Array): Uint8Array { return Point.fromBytes(publicKey).toBytes(false).slice(1) }

function peerOf(record: ForeignRecord): PeerKey | undefined {
  if (record.kvs.has(NETWORK_KEY)) {
    const key = bytesOf(record, NETWORK_KEY)
    return key === undefined ? undefined : peerOfNetworkKey(key)
  }
  try {
    return peerOfRecordKey(record.publicKey)
  } catch {
    return undefined
  }
}

function endpoint(record: ForeignRecord, ipKey: string, portKey: string): { readonly ip: Ip; readonly port: number } | undefined {
  const address = bytesOf(record, ipKey)
  const ip = address === undefined ? undefined : ipFromBytes(address)
  const port = portIn(bytesOf(record, portKey))
  if (ip === undefined || port === undefined || ip.family !== (ipKey === 'ip' ? 4 : 6)) return undefined
  return { ip, port }
}

/** A port as RLP writes integers, without its leading zeros, or in two bytes. */
function portIn(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length === 0 || bytes.length > 2) return undefined
  const port = bytes.length === 1 ? bytes[0]! : (bytes[0]! << 8) | bytes[1]!
  return port === 0 ? undefined : port
}

function bytesOf({ kvs }: ForeignRecord, key: string): Uint8Array | undefined {
  const value = kvs.get(key)
  return value instanceof Uint8Array ? value : undefined
}
