import { lookup } from 'node:dns/promises'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { MultiaddrResolver, PeerId } from '@libp2p/interface'
import { NetworkError } from './errors.js'

/** A multiaddr. @throws NetworkError `bad_address` with the text */
export function parseAddress(address: string): Multiaddr {
  try {
    return multiaddr(address)
  } catch (cause) {
    throw new NetworkError('bad_address', `not a multiaddr: ${shortened(address)}`, { value: address, cause })
  }
}

/** An address with the peer that it leads to. @throws NetworkError `bad_address`, `peer_id_missing` (SPEC §8: needed to dial) */
export function addressWithPeer(address: string): { readonly address: Multiaddr; readonly peer: PeerId } {
  const parsed = parseAddress(address)
  const id = peerIn(parsed)
  if (id === undefined) throw new NetworkError('peer_id_missing', `${shortened(address)} does not end in /p2p/…`, { value: address })
  try {
    return { address: parsed, peer: peerIdFromString(id) }
  } catch (cause) {
    throw new NetworkError('bad_address', `${shortened(address)} names no peer`, { value: address, cause })
  }
}

/** The same where the peer may be left out: whoever is there is taken. @throws NetworkError `bad_address` */
export function dialTarget(address: string): { readonly address: Multiaddr; readonly peer: PeerId | undefined } {
  const parsed = parseAddress(address)
  return peerIn(parsed) === undefined ? { address: parsed, peer: undefined } : addressWithPeer(address)
}

/** The peer id in an address, as text. */
export function peerIn(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(component => component.name === 'p2p')?.value
}

/** All addresses of a host name. */
export type HostLookup = (host: string, family: 4 | 6 | 0) => Promise<ReadonlyArray<{ readonly address: string; readonly family: number }>>

const systemLookup: HostLookup = (host, family) => lookup(host, { all: true, family })

const FAMILIES: Record<string, 4 | 6 | 0> = { dns: 0, dns4: 4, dns6: 6 }

/**
 * Resolves `/dns…` in libp2p's dialer, before the gate is asked about addresses: left to the transport, a host name would pass every
 * rule about addresses and subnets (H17). A name that does not resolve has no addresses.
 */
export function hostResolver(find: HostLookup = systemLookup): MultiaddrResolver {
  return {
    canResolve: address => address.getComponents().some(({ name }) => name in FAMILIES),
    async resolve(address) {
      const components = address.getComponents()
      const at = components.findIndex(({ name }) => name in FAMILIES)
      const host = components[at]?.value
      if (host === undefined) return []
      const found = await find(host, FAMILIES[components[at]?.name ?? 'dns'] ?? 0).catch(() => [])
      const rest = address.toString().split('/').slice(3 + 2 * at).join('/')
      return found.map(({ address: ip, family }) => multiaddr(`/ip${family}/${ip}${rest === '' ? '' : `/${rest}`}`))
    },
  }
}

function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
