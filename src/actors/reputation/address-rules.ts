import { BlockList, SocketAddress, isIP } from 'node:net'
import { ReputationError } from './errors.js'
import type { Rule } from './ingress.js'

/** A parsed rule, in its canonical spelling. */
export type ParsedRule =
  | { readonly kind: 'peer'; readonly text: Rule }
  | { readonly kind: 'address'; readonly text: Rule; readonly address: string; readonly prefix: number }

type Family = 'ipv4' | 'ipv6'

/** A libp2p peer id in base58: of a public key (Ed25519, secp256k1) or of a hash (RSA). */
const PEER_ID = /^(?:1|Qm)[1-9A-HJ-NP-Za-km-z]{40,128}$/

/** IPv4-mapped IPv6 addresses (`::ffff:0:0/96`) match as the IPv4 addresses in them. */
const MAPPED_PREFIX = 96
const mapped = new BlockList()
mapped.addSubnet('::ffff:0:0', MAPPED_PREFIX, 'ipv6')

/** @throws ReputationError `bad_peer` */
export function checkPeer(peer: unknown): void {
  if (typeof peer !== 'string' || !PEER_ID.test(peer)) {
    throw new ReputationError('bad_peer', `not a peer id in base58: ${JSON.stringify(peer)}`, { value: peer })
  }
}

/** Parses a peer id, an IP address, or a subnet in CIDR notation. @throws ReputationError `bad_rule` */
export function parseRule(rule: Rule): ParsedRule {
  const bad = (why: string) => new ReputationError('bad_rule', `${JSON.stringify(rule)}: ${why}`, { value: rule })
  if (typeof rule !== 'string') throw bad('a rule must be a string')
  if (PEER_ID.test(rule)) return { kind: 'peer', text: rule }
  const [ip = '', bits, ...more] = rule.split('/')
  const version = isIP(ip)
  if (version === 0) throw bad('neither a peer id, nor an IP address, nor a subnet')
  if (ip.includes('%')) throw bad('an IPv6 zone is not allowed in a rule')
  const longest = version === 4 ? 32 : 128
  if (bits !== undefined && (more.length > 0 || !/^(?:0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > longest)) {
    throw bad(`the prefix length of a subnet must be an integer from 0 to ${longest}`)
  }
  const { address } = new SocketAddress({ address: ip, family: familyOf(ip) })
  return { kind: 'address', text: bits === undefined ? address : `${address}/${bits}`, address, prefix: Number(bits ?? longest) }
}

/** Addresses and subnets, matched against multiaddrs. Node's `BlockList` cannot remove a rule, so each change builds new lists. */
export class AddressRules {
  // Two lists, because Node applies a wide IPv6 subnet such as ::/0 to IPv4 too.
  readonly #ipv4 = new BlockList()
  readonly #ipv6 = new BlockList()
  readonly size: number

  constructor(rules: Iterable<Extract<ParsedRule, { kind: 'address' }>>) {
    let size = 0
    for (const { address, prefix } of rules) {
      const family = familyOf(address)
      const isIpv4 = family === 'ipv4' || (prefix >= MAPPED_PREFIX && mapped.check(address, family))
      ;(isIpv4 ? this.#ipv4 : this.#ipv6).addSubnet(address, prefix, family)
      size++
    }
    this.size = size
  }

  /**
   * Whether a rule matches a multiaddr. A multiaddr without an IP address (a memory transport, a host name) matches no rule; one with a malformed
   * IP address matches always, so that it cannot evade the block list.
   */
  against(multiaddr: string): boolean {
    if (this.size === 0) return false
    const ip = ipIn(multiaddr)
    if (ip === undefined) return false
    if (isIP(ip) === 0) return true
    const family = familyOf(ip)
    return (family === 'ipv4' || mapped.check(ip, family) ? this.#ipv4 : this.#ipv6).check(ip, family)
  }
}

/** The IP address at the beginning of a multiaddr, without its zone. */
function ipIn(multiaddr: string): string | undefined {
  return /^(?:\/ip6zone\/[^/]+)?\/ip[46]\/([^/%]+)/.exec(multiaddr)?.[1]
}

const familyOf = (ip: string): Family => isIP(ip) === 4 ? 'ipv4' : 'ipv6'
