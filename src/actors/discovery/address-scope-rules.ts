import type { AddressScope } from './ip.js'

/**
 * Decides which addresses of other nodes are used. A record can name any address, so private and loopback addresses are used only where our
 * own address has the same scope or the operator allows it, and link-local and multicast addresses never.
 */
export class AddressScopeRules {
  /** By node id. For nodes that the operator named every usable scope is allowed; for known peers the scope of the address last reached. */
  readonly #trusted = new Map<string, 'named' | AddressScope>()

  /** @param ours the scope of our own address @param privateAddresses see `DiscoveryOptions` */
  constructor(private readonly ours: () => AddressScope, private readonly privateAddresses: boolean | undefined) {}

  trust(nodeId: string, how: 'named' | AddressScope): void { this.#trusted.set(nodeId, how) }
  isNamed(nodeId: string): boolean { return this.#trusted.get(nodeId) === 'named' }

  /** Whether an address of this scope may be used for this node. */
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
