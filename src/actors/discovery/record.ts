import { SignableENR } from '@chainsafe/enr'
import type { Ip } from './ip.js'

/** The keys that this network adds to those of EIP-778 (SPEC §8). */
export const CHAIN_KEY = 'taiko'
export const NETWORK_KEY = 'libp2p'

/** What our ENR says (SPEC §8). */
export interface Claims {
  /** Unknown until a vote or an option tells it: then nobody can find us, though we find others. */
  readonly ip: Ip | undefined
  readonly udp: number | undefined
  /** Where libp2p listens. */
  readonly tcp: number | undefined
  readonly chainId: bigint
  /** The network identity in protobuf form; `undefined` where it is the ENR's own key. */
  readonly networkKey: Uint8Array | undefined
}

/** A chain id as the ENR carries it: big-endian, no leading zeros. */
export function chainBytes(chainId: bigint): Uint8Array {
  const hex = chainId.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

/** Signs a record. A changed one needs a higher `seq`, or nobody takes it. */
export function signRecord(privateKey: Uint8Array, seq: bigint, claims: Claims): SignableENR {
  // `createV4` adds what identifies the node
  const { kvs } = SignableENR.createV4(privateKey, entriesOf(claims))
  return new SignableENR(kvs, seq, privateKey)
}

/** Whether a record of ours says just this. */
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

/** Two bytes always: discv5 reads no fewer. */
function portBytes(port: number): Uint8Array { return Uint8Array.of(port >> 8, port & 0xff) }
