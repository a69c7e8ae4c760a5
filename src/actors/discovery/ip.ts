import { BlockList, isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'

/** An IP address in both forms. */
export interface Ip {
  readonly family: 4 | 6
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array
  readonly text: string
}

/** The scope of an address. `never`: must not be used when a remote names it (multicast, unspecified, link-local, reserved). */
export type AddressScope = 'loopback' | 'private' | 'public' | 'never'

/** Address ranges by scope, from IANA's special-purpose registries. An address in none of them is public. */
const RANGES: ReadonlyArray<readonly [Exclude<AddressScope, 'public'>, Ranges]> = [
  ['loopback', listOf([['127.0.0.0', 8]], [['::1', 128]])],
  ['private', listOf([['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10]], [['fc00::', 7]])],
  ['never', listOf(
    [
      ['0.0.0.0', 8], ['169.254.0.0', 16], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['198.18.0.0', 15],
      ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 3],
    ],
    // IPv4 addresses inside IPv6 ones (mapped, translated, 6to4, Teredo) would bypass the IPv4 ranges
    [
      ['::', 96], ['::ffff:0:0', 96], ['64:ff9b::', 32], ['100::', 64], ['2001::', 23], ['2001:db8::', 32], ['2002::', 16],
      ['fe80::', 10], ['fec0::', 10], ['ff00::', 8],
    ],
  )],
]

/** One list per IP version: in a common list Node's `::ffff:0:0/96` would match every IPv4 address. */
type Ranges = Readonly<Record<4 | 6, BlockList>>
type Subnets = ReadonlyArray<readonly [net: string, prefix: number]>

function listOf(four: Subnets, six: Subnets): Ranges {
  const ranges = { 4: new BlockList(), 6: new BlockList() }
  for (const [net, prefix] of four) ranges[4].addSubnet(net, prefix, 'ipv4')
  for (const [net, prefix] of six) ranges[6].addSubnet(net, prefix, 'ipv6')
  return ranges
}

/** The address in these bytes; `undefined` unless there are 4 or 16. */
export function ipFromBytes(bytes: Uint8Array): Ip | undefined {
  if (bytes.length !== 4 && bytes.length !== 16) return undefined
  const own = Uint8Array.from(bytes)
  if (own.length === 4) return { family: 4, bytes: own, text: own.join('.') }
  const groups = Array.from({ length: 8 }, (_, i) => ((own[2 * i]! << 8) | own[2 * i + 1]!).toString(16))
  return { family: 6, bytes: own, text: groups.join(':') }
}

/** An address in its text form; `undefined` where it is none. */
export function ipFromText(text: string): Ip | undefined {
  const family = isIP(text)
  if (family === 0 || text.includes('%')) return undefined
  // a multiaddr of one component: its code in one byte, then the address
  const bytes = multiaddr(`/ip${family}/${text}`).bytes.slice(1)
  return ipFromBytes(bytes)
}

export function scopeOf(ip: Ip): AddressScope {
  const family = ip.family === 4 ? 'ipv4' : 'ipv6'
  return RANGES.find(([, ranges]) => ranges[ip.family].check(ip.text, family))?.[0] ?? 'public'
}

/** Whether it is the unspecified address, 0.0.0.0 or ::. */
export function isUnspecified(ip: Ip): boolean { return ip.bytes.every(byte => byte === 0) }

/**
 * The network to count an address under. A public address counts for its /24 or /48, because one party usually holds many addresses there; any
 * other address counts for itself.
 */
export function holderOf(ip: Ip): string {
  if (scopeOf(ip) !== 'public') return ip.text
  return Buffer.from(ip.bytes.subarray(0, ip.family === 4 ? 3 : 6)).toString('hex')
}

/** Whether two addresses are equal. */
export function sameIp(a: Ip, b: Ip): boolean { return Buffer.from(a.bytes).equals(b.bytes) }

/** `/ip4/…/tcp/…`; the port in its decimal form. */
export function addressOf(ip: Ip, protocol: 'tcp' | 'udp', port: number): string { return `/ip${ip.family}/${ip.text}/${protocol}/${port}` }

/** The IP address and port of a TCP or UDP multiaddr; `undefined` for host names and anything else. */
export function endpointOf(address: string): { readonly ip: Ip; readonly protocol: 'tcp' | 'udp'; readonly port: number } | undefined {
  let components
  try {
    components = multiaddr(address).getComponents()
  } catch {
    return undefined
  }
  const [host, transport] = components
  if (host?.value === undefined || (host.name !== 'ip4' && host.name !== 'ip6')) return undefined
  if (transport?.value === undefined || (transport.name !== 'tcp' && transport.name !== 'udp')) return undefined
  const ip = ipFromText(host.value)
  return ip === undefined ? undefined : { ip, protocol: transport.name, port: Number(transport.value) }
}
