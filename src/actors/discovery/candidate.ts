import '../../polyfill.js'
import { publicKeyFromProtobuf, publicKeyFromRaw, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { Point } from '@noble/secp256k1'
import type { PeerKey } from '../../protocol/peer-key.js'
import { addressOf, ipFromBytes, scopeOf } from './ip.js'
import type { Ip, AddressScope } from './ip.js'
import { CHAIN_KEY, NETWORK_KEY } from './record.js'

/** The parts of an ENR that are used, its signature already checked. `ENR` of @chainsafe/enr fits. */
export interface ForeignRecord {
  readonly seq: bigint
  readonly nodeId: string
  /** Compressed secp256k1 key, 33 bytes. */
  readonly publicKey: Uint8Array
  /** The value under a key, unchecked: the signer can put anything there, and a nested RLP list is not bytes. */
  readonly kvs: ReadonlyMap<string, unknown>
}

/** A node that may be dialled. All of it is claimed by the record's signer until noise has proved the peer id. */
export interface Candidate {
  readonly nodeId: string
  readonly seq: bigint
  readonly peer: PeerKey
  /** The claimed libp2p addresses, each with `/p2p/…`. */
  readonly addresses: readonly string[]
  readonly ips: readonly Ip[]
  /** The ENR's own key, compressed. */
  readonly publicKey: Uint8Array
  /** Whether the peer id is that of the ENR's own key. */
  readonly ownKey: boolean
}

/** Why a record is not dialled. */
export type Unfit =
  /** Another chain, or none (SPEC §8). */
  | 'other_chain'
  /** The key under `libp2p` is not of a kind that this network accepts. */
  | 'bad_key'
  /** It has no TCP address that may be dialled from here. */
  | 'no_address'

/** Whether an address of another node may be used, given the scope of our own. */
export type Reachable = (reach: AddressScope) => boolean

/** Maximum length of a public key in protobuf form: secp256k1 has 37 bytes, Ed25519 36. */
const MAX_KEY_BYTES = 64

/**
 * Reads a candidate from an ENR (SPEC §8). Never throws, whatever the record contains.
 * @param chain the chain id, as `chainBytes` gives it
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

/** Whether a record names another chain than ours. A record without a chain does not. */
export function namesOtherChain(record: ForeignRecord, chain: Uint8Array): boolean {
  const claimed = bytesOf(record, CHAIN_KEY)
  return claimed === undefined ? record.kvs.has(CHAIN_KEY) : !Buffer.from(chain).equals(claimed)
}

/** The discv5 endpoint in a record, for one IP version. */
export function udpEndpoint(record: ForeignRecord, family: 4 | 6): { readonly ip: Ip; readonly port: number } | undefined {
  return family === 4 ? endpoint(record, 'ip', 'udp') : endpoint(record, 'ip6', 'udp6')
}

/** The peer id of a public key in protobuf form; `undefined` for keys that this network does not accept (SPEC §10: RSA). */
export function peerOfNetworkKey(protobuf: Uint8Array): PeerKey | undefined {
  if (protobuf.length > MAX_KEY_BYTES) return undefined
  try {
    const key = publicKeyFromProtobuf(protobuf)
    if (key.type !== 'Ed25519' && key.type !== 'secp256k1') return undefined
    // only the canonical encoding is accepted: elsewhere keys are compared by their bytes
    return Buffer.from(publicKeyToProtobuf(key)).equals(protobuf) ? peerIdFromPublicKey(key).toString() : undefined
  } catch {
    return undefined
  }
}

/** The peer id of a compressed secp256k1 key, 33 bytes. @throws if the key is invalid */
export function peerOfRecordKey(compressed: Uint8Array): PeerKey { return peerIdFromPublicKey(publicKeyFromRaw(compressed)).toString() }

/** The uncompressed form of a key without the prefix 0x04, 64 bytes. @throws if the key is invalid */
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

/** Parses a port: two bytes, or fewer where leading zeros are left out, as RLP does. */
function portIn(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length === 0 || bytes.length > 2) return undefined
  const port = bytes.length === 1 ? bytes[0]! : (bytes[0]! << 8) | bytes[1]!
  return port === 0 ? undefined : port
}

function bytesOf({ kvs }: ForeignRecord, key: string): Uint8Array | undefined {
  const value = kvs.get(key)
  return value instanceof Uint8Array ? value : undefined
}
