import type { AddressScope } from './ip.js'

/**
 * Which addresses of others are used. Whoever signs a record can name any address in it, so private, loopback and link-local ones lead
 * where their own network is only, and multicast ones nowhere.
 */
export class AddressScopeRules {
  /** By node id. Addresses of those whom the operator named are used wherever they are; of those whom we knew, where we reached them. */
  readonly #trusted = new Map<string, 'named' | AddressScope>()

  /** @param ours how far our own address reaches; @param privateAddresses see `DiscoveryOptions` */
  constructor(private readonly ours: () => AddressScope, private readonly privateAddresses: boolean | undefined) {}

  trust(nodeId: string, how: 'named' | AddressScope): void { this.#trusted.set(nodeId, how) }
  isNamed(nodeId: string): boolean { return this.#trusted.get(nodeId) === 'named' }

  /** Whether an address that reaches so far may be used, of this node. */
  allows(nodeId: string, reach: AddressScope): boolean { return this.#isTrusted(nodeId, reach) || this.#isReachable(reach) }

  #isTrusted(nodeId: string, reach: AddressScope): boolean {
    const trust = this.#trusted.get(nodeId)
    return reach !== 'never' && (trust === 'named' || trust === reach)
  }

  #isReachable(reach: AddressScope): boolean {
    const ours = this.ours()
    if (reach === 'loopback') return ours === 'loopback'
    if (reach === 'private') return this.privateAddresses ?? (ours === 'private' || ours === 'loopback')
    return reach === 'public'
  }
}
