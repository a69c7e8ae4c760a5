import { lookup } from 'node:dns/promises'
import { BlockList, SocketAddress, isIP, isIPv6 } from 'node:net'
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

/** What counts as one remote, and its neighbourhood (SPEC §8): a /32 in its /24, a /64 in its /48. `undefined` without an IP address. */
export function originOf(address: Multiaddr): { readonly address: string; readonly subnet: string } | undefined {
  const ip = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value
  if (ip === undefined || isIP(ip) === 0) return undefined
  const ipv4 = isIPv6(ip) ? mappedIn(ip) : ip
  if (ipv4 !== undefined) return { address: ipv4, subnet: `${ipv4.slice(0, ipv4.lastIndexOf('.'))}.0/24` }
  const groups = groupsOf(ip)
  return { address: `${groups.slice(0, 4).join(':')}::/64`, subnet: `${groups.slice(0, 3).join(':')}::/48` }
}

/** Says of the `address` of an origin whether it is in one of these addresses and subnets (CIDR). @throws NetworkError `bad_config` */
export function subnetsOf(subnets: readonly string[]): (address: string) => boolean {
  const lists = { 4: new BlockList(), 6: new BlockList() }
  for (const subnet of subnets) {
    const [ip = '', bits, ...more] = subnet.split('/')
    const version = isIP(ip)
    const longest = version === 4 ? 32 : 128
    if (version === 0 || more.length > 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= longest))) {
      throw new NetworkError('bad_config', 'exemptSubnets holds IP addresses and subnets such as 10.0.0.0/8', { value: subnet })
    }
    lists[version as 4 | 6].addSubnet(ip, Number(bits ?? longest), version === 4 ? 'ipv4' : 'ipv6')
  }
  return address => {
    const ip = address.replace(/\/64$/, '')
    return isIPv6(ip) ? lists[6].check(ip, 'ipv6') : lists[4].check(ip, 'ipv4')
  }
}

/** An IPv4 address that is written as an IPv6 one. */
function mappedIn(ip: string): string | undefined {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(new SocketAddress({ address: ip, family: 'ipv6' }).address)?.[1]
}

/** The first four groups of an IPv6 address, without leading zeros. */
function groupsOf(ip: string): string[] {
  const [head = '', tail] = new SocketAddress({ address: ip.replace(/%.*$/, ''), family: 'ipv6' }).address.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  return [...front, ...Array<string>(zeros).fill('0'), ...back].slice(0, 4)
}

function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
