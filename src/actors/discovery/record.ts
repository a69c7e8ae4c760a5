import { SignableENR } from '@chainsafe/enr'
import type { Ip } from './ip.js'

/** The ENR keys that this network adds to those of EIP-778 (SPEC §8). */
export const CHAIN_KEY = 'taiko'
export const NETWORK_KEY = 'libp2p'

/** The content of our ENR (SPEC §8). */
export interface Claims {
  /** Our external address; `undefined` until votes or an option give it. Until then we find other nodes, but they cannot find us. */
  readonly ip: Ip | undefined
  readonly udp: number | undefined
  /** The TCP port of libp2p. */
  readonly tcp: number | undefined
  readonly chainId: bigint
  /** The public key of the network identity in protobuf form; `undefined` if it is the ENR's own key. */
  readonly networkKey: Uint8Array | undefined
}

/** A chain id as in the ENR: big-endian, without leading zeros. */
export function chainBytes(chainId: bigint): Uint8Array {
  const hex = chainId.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

/** Signs a record. A changed record needs a higher `seq`, or other nodes ignore it. */
export function signRecord(privateKey: Uint8Array, seq: bigint, claims: Claims): SignableENR {
  // `createV4` adds the entries `id` and `secp256k1`
  const { kvs } = SignableENR.createV4(privateKey, entriesOf(claims))
  return new SignableENR(kvs, seq, privateKey)
}

/** Whether a record of ours has exactly this content. */
export function says(record: SignableENR, claims: Claims): boolean {
  const expected = new Map(Object.entries(entriesOf(claims)))
  const said = [...record.kvs].filter(([key]) => key !== 'id' && key !== 'secp256k1')
  return said.length === expected.size && said.every(([key, value]) => {
    const bytes = expected.get(key)
    return bytes !== undefined && Buffer.from(bytes).equals(value)
  })
}

function entriesOf({ ip, udp, tcp, chainId, networkKey }: Claims): Record<string, Uint8Array> {
  const entries: Record<string, Uint8Array> = { [CHAIN_KEY]: chainBytes(chainId) }
  if (networkKey !== undefined) entries[NETWORK_KEY] = networkKey
  if (ip === undefined) return entries
  const suffix = ip.family === 4 ? '' : '6'
  entries[`ip${suffix}`] = ip.bytes
  if (udp !== undefined) entries[`udp${suffix}`] = portBytes(udp)
  if (tcp !== undefined) entries[`tcp${suffix}`] = portBytes(tcp)
  return entries
}

/** A port in two bytes: discv5 cannot read fewer. */
function portBytes(port: number): Uint8Array { return Uint8Array.of(port >> 8, port & 0xff) }
