import '../../polyfill.js'
import { ENR } from '@chainsafe/enr'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { PeerKey } from '../../protocol/peer-key.js'
import { namesOtherChain, udpEndpoint } from './candidate.js'
import { DiscoveryError } from './errors.js'
import { endpointOf } from './ip.js'
import type { Ip } from './ip.js'
import { chainBytes } from './record.js'

/** A parsed bootnode. */
export type Bootnode = { readonly text: string } & (
  | { readonly kind: 'record'; readonly record: ENR }
  /** A libp2p peer. It is dialled like any other; without an ENR it cannot be asked for further nodes. */
  | { readonly kind: 'peer'; readonly peer: PeerKey; readonly address: string; readonly ips: readonly Ip[] }
  /** A discv5 node whose ENR must be requested first. */
  | { readonly kind: 'udp'; readonly ip: Ip; readonly port: number; readonly publicKey: Uint8Array }
)

/**
 * Parses a bootnode: `enr:…`, a TCP multiaddr that ends in `/p2p/…`, or a UDP multiaddr that ends in a peer id with a secp256k1 key.
 * @param family the IP version that we use @param chain the chain id, as `chainBytes` gives it
 * @throws DiscoveryError `bad_bootnode`, `bootnode_other_chain` with the text
 */
export function readBootnode(text: string, family: 4 | 6, chain: Uint8Array): Bootnode {
  if (text.startsWith('enr:')) return fromRecord(text, family, chain)
  if (text.startsWith('/')) return fromAddress(text, family)
  throw bad(text, 'it is neither an ENR (enr:…) nor a multiaddr')
}

/** Whether a text names a bootnode of this chain, whichever family of addresses we speak. @throws DiscoveryError `bad_bootnode`, `bootnode_other_chain` */
export function checkBootnode(text: string, chainId: bigint): void {
  const chain = chainBytes(chainId)
  try {
    readBootnode(text, 4, chain)
  } catch (error) {
    // what is wrong with it is the same for both, but for the family itself
    try {
      readBootnode(text, 6, chain)
    } catch {
      throw error
    }
  }
}

function fromRecord(text: string, family: 4 | 6, chain: Uint8Array): Bootnode {
  let record: ENR
  try {
    record = ENR.decodeTxt(text)
  } catch (cause) {
    throw bad(text, 'the ENR is malformed, or its signature is invalid', cause)
  }
  // a record without a chain is a plain discv5 bootnode: queried, but not dialled
  if (namesOtherChain(record, chain)) {
    throw new DiscoveryError('bootnode_other_chain', `bootnode ${shortened(text)}: it belongs to another chain`, { value: text })
  }
  if (udpEndpoint(record, family) === undefined) throw bad(text, `its ENR has no IPv${family} address with a UDP port`)
  return { kind: 'record', text, record }
}

function fromAddress(text: string, family: 4 | 6): Bootnode {
  let components
  try {
    components = multiaddr(text).getComponents()
  } catch (cause) {
    throw bad(text, 'no multiaddr', cause)
  }
  const id = components.findLast(({ name }) => name === 'p2p')?.value
  if (id === undefined || components.at(-1)?.name !== 'p2p') throw bad(text, 'the multiaddr does not end in /p2p/…')
  const names = components.map(({ name }) => name)
  if (names.includes('p2p-circuit')) throw bad(text, 'relayed addresses are not supported')
  let publicKey
  try {
    publicKey = peerIdFromString(id).publicKey
  } catch (cause) {
    throw bad(text, 'the peer id in it is malformed', cause)
  }
  const endpoint = endpointOf(text)
  if (names[1] === 'tcp') return { kind: 'peer', text, peer: id, address: text, ips: endpoint === undefined ? [] : [endpoint.ip] }
  if (names[1] !== 'udp' || names.length !== 3) throw bad(text, 'the multiaddr must use TCP, or UDP alone')
  if (endpoint === undefined) throw bad(text, 'a UDP multiaddr must have an IP address')
  if (endpoint.ip.family !== family) throw bad(text, `the address must be IPv${family}, like the one that we listen on`)
  if (publicKey?.type !== 'secp256k1') throw bad(text, 'a UDP multiaddr needs the peer id of the ENR\'s own secp256k1 key (16Uiu2…); give its ENR instead')
  return { kind: 'udp', text, ip: endpoint.ip, port: endpoint.port, publicKey: publicKey.raw }
}

function bad(text: string, why: string, cause?: unknown): DiscoveryError {
  return new DiscoveryError('bad_bootnode', `bootnode ${shortened(text)}: ${why}`, { value: text, cause })
}

function shortened(text: string): string { return text.length > 120 ? `${text.slice(0, 120)}…` : text }
