import type { HandshakeLimits, HandshakeRefusal } from './limits.js'

/** Where a connection comes from: one remote's address, and the subnet around it. */
export interface Origin { readonly address: string; readonly subnet: string }

/** An inbound connection that nobody has proven to be behind yet. */
export interface Upgrading { abort(error: Error): void }

/**
 * The places for inbound connections that are being upgraded (SPEC §8, H70). One address, or one subnet, holds a few of them at most. When
 * all are taken, the oldest of the address that holds most gives way to the newcomer.
 */
export class PendingUpgrades {
  readonly #limits: HandshakeLimits
  readonly #places: number
  /** In order of their coming. `undefined`: no address, or one that is exempt. */
  readonly #pending = new Map<Upgrading, Origin | undefined>()

  constructor(limits: HandshakeLimits, places: number) {
    this.#limits = limits
    this.#places = places
  }

  get size(): number { return this.#pending.size }
  has(connection: Upgrading): boolean { return this.#pending.has(connection) }

  /** Gives the connection a place, or says why it has none. `displaced` had to make room, and is to be closed. */
  admit(connection: Upgrading, origin: Origin | undefined): { readonly refused?: HandshakeRefusal; readonly displaced?: Upgrading } {
    const { pendingPerAddress, pendingPerSubnet } = this.#limits
    if (origin !== undefined && this.#count(({ address }) => address === origin.address) >= pendingPerAddress) return { refused: 'pending_of_address' }
    if (origin !== undefined && this.#count(({ subnet }) => subnet === origin.subnet) >= pendingPerSubnet) return { refused: 'pending_of_subnet' }
    const displaced = this.#pending.size >= this.#places ? this.#oldestOfBusiest() : undefined
    if (displaced !== undefined) this.#pending.delete(displaced)
    this.#pending.set(connection, origin)
    return displaced === undefined ? {} : { displaced }
  }

  /** It is upgraded, or closed; says whether it had a place. */
  done(connection: Upgrading): boolean { return this.#pending.delete(connection) }

  #count(test: (origin: Origin) => boolean): number {
    let count = 0
    for (const origin of this.#pending.values()) if (origin !== undefined && test(origin)) count++
    return count
  }

  #oldestOfBusiest(): Upgrading | undefined {
    const counts = new Map<string | undefined, number>()
    for (const origin of this.#pending.values()) counts.set(origin?.address, (counts.get(origin?.address) ?? 0) + 1)
    const most = Math.max(...counts.values())
    for (const [connection, origin] of this.#pending) if (counts.get(origin?.address) === most) return connection
    return undefined
  }
}
