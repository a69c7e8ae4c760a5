import type { HandshakeLimits, HandshakeRefusal } from './limits.js'

/** Where a connection comes from: an IP address (a /64 for IPv6), and the subnet around it. */
export interface Origin { readonly address: string; readonly subnet: string }

/** An inbound connection whose peer is not proved yet. */
export interface Upgrading { abort(error: Error): void }

/** Whether a connection may be upgraded: it may, unless `refused` is set. The caller must close `displaced`, which was evicted for it. */
export interface Admission { readonly refused?: HandshakeRefusal; readonly displaced?: Upgrading }

interface Waiting { readonly connection: Upgrading; readonly origin: Origin; readonly decided: (admission: Admission) => void }

/** The queue of one address holds this many connections for each place that the address may hold. */
const WAITING_A_PLACE = 3

/**
 * Limits the inbound connections that are being upgraded (SPEC §8, H70), in total, per address and per subnet. Connections above the limit of
 * their address or subnet wait in a bounded queue, unread: several honest nodes may share an address, and an upgrade takes milliseconds. If all
 * places are taken, a new connection evicts the oldest one of the address that holds the most places.
 */
export class PendingUpgrades {
  readonly #limits: HandshakeLimits
  readonly #places: number
  /** Connections that hold a place, the oldest first. `undefined`: without an IP address, or exempt. */
  readonly #pending = new Map<Upgrading, Origin | undefined>()
  #waiting: Waiting[] = []

  constructor(limits: HandshakeLimits, places: number) {
    this.#limits = limits
    this.#places = places
  }

  get size(): number { return this.#pending.size }
  get waiting(): number { return this.#waiting.length }

  /** Asks for a place. `decided` is called once, at once or later. */
  ask(connection: Upgrading, origin: Origin | undefined, decided: (admission: Admission) => void): void {
    const full = origin === undefined ? undefined : this.#fullFor(origin)
    if (origin === undefined || full === undefined) { decided(this.#admit(connection, origin)); return }
    const ofAddress = this.#waiting.filter(each => each.origin.address === origin.address).length
    if (ofAddress >= WAITING_A_PLACE * this.#limits.pendingPerAddress || this.#waiting.length >= this.#places) decided({ refused: full })
    else this.#waiting.push({ connection, origin, decided })
  }

  /** Frees the place of a connection that is upgraded or closed. Returns whether it held a place or waited for one. */
  done(connection: Upgrading): boolean {
    const waited = this.#waiting.length
    this.#waiting = this.#waiting.filter(each => each.connection !== connection)
    if (!this.#pending.delete(connection)) return this.#waiting.length < waited
    const next = this.#waiting.find(({ origin }) => this.#fullFor(origin) === undefined)
    if (next !== undefined) {
      this.#waiting.splice(this.#waiting.indexOf(next), 1)
      next.decided(this.#admit(next.connection, next.origin))
    }
    return true
  }

  #admit(connection: Upgrading, origin: Origin | undefined): Admission {
    const displaced = this.#pending.size >= this.#places ? this.#oldestOfBusiest() : undefined
    if (displaced !== undefined) this.#pending.delete(displaced)
    this.#pending.set(connection, origin)
    return displaced === undefined ? {} : { displaced }
  }

  #fullFor(wanted: Origin): HandshakeRefusal | undefined {
    const { pendingPerAddress, pendingPerSubnet } = this.#limits
    if (this.#count(({ address }) => address === wanted.address) >= pendingPerAddress) return 'pending_of_address'
    return this.#count(({ subnet }) => subnet === wanted.subnet) >= pendingPerSubnet ? 'pending_of_subnet' : undefined
  }

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
