import type { HandshakeLimits, HandshakeRefusal } from './limits.js'

/** Where a connection comes from: one remote's address, and the subnet around it. */
export interface Origin { readonly address: string; readonly subnet: string }

/** An inbound connection that nobody has proven to be behind yet. */
export interface Upgrading { abort(error: Error): void }

/** What became of a connection that wants to be upgraded. `displaced` had to make room, and is to be closed. */
export interface Admission { readonly refused?: HandshakeRefusal; readonly displaced?: Upgrading }

interface Waiting { readonly connection: Upgrading; readonly origin: Origin; readonly decided: (admission: Admission) => void }

/** Connections of one address that wait for a place, for each that it may have. */
const WAITING_A_PLACE = 3

/**
 * The places for inbound connections that are being upgraded (SPEC §8, H70). One address, or one subnet, holds a few of them at most; a few
 * more of it wait, unread, for one of these: an upgrade takes milliseconds, and several honest nodes may share an address. When all places are
 * taken, the oldest of the address that holds most gives way to the newcomer.
 */
export class PendingUpgrades {
  readonly #limits: HandshakeLimits
  readonly #places: number
  /** In order of their coming. `undefined`: no address, or one that is exempt. */
  readonly #pending = new Map<Upgrading, Origin | undefined>()
  #waiting: Waiting[] = []

  constructor(limits: HandshakeLimits, places: number) {
    this.#limits = limits
    this.#places = places
  }

  get size(): number { return this.#pending.size }
  get waiting(): number { return this.#waiting.length }

  /** Tells, at once or later, whether the connection has a place. */
  ask(connection: Upgrading, origin: Origin | undefined, decided: (admission: Admission) => void): void {
    const full = origin === undefined ? undefined : this.#fullFor(origin)
    if (origin === undefined || full === undefined) { decided(this.#admit(connection, origin)); return }
    const ofAddress = this.#waiting.filter(each => each.origin.address === origin.address).length
    if (ofAddress >= WAITING_A_PLACE * this.#limits.pendingPerAddress || this.#waiting.length >= this.#places) decided({ refused: full })
    else this.#waiting.push({ connection, origin, decided })
  }

  /** It is upgraded, or closed: somebody else may have its place. Says whether it had one, or waited for one. */
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
