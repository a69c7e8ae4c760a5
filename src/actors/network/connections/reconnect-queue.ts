import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerKey } from '../../../protocol/peer-key.js'
import { backoffMs } from '../../kernel/index.js'
import type { Clock, Random, TimerHandle } from '../../kernel/index.js'
import { messageOf } from '../../../protocol/thrown.js'
import { addressWithPeer } from '../addresses.js'
import type { RedialPolicy } from '../config.js'

export interface ReconnectNeeds {
  readonly clock: Clock
  readonly random: Random
  readonly policy: RedialPolicy
  isConnected(peer: PeerKey): boolean
  /** Until when a peer that refused us must not be dialled, on the monotonic clock, in milliseconds. */
  refusedUntil(peer: PeerKey): number | undefined
  /** Dials a peer. Resolves once it is connected; rejects otherwise. */
  dial(addresses: readonly Multiaddr[], peer: PeerKey): Promise<unknown>
  /** Called when a static peer is unreachable for a new reason, or connected again (`reason: undefined`). */
  told(trouble: StaticPeerTrouble | { readonly peer: PeerKey; readonly reason: undefined }): void
}

/** A static peer that is not connected, and the reason. */
export interface StaticPeerTrouble { readonly peer: PeerKey; readonly addresses: readonly string[]; readonly reason: string }

interface Target {
  readonly addresses: Multiaddr[]
  failures: number
  /** Why the last dial or connection failed; `undefined` if it did not. */
  reason: string | undefined
  timer: TimerHandle | undefined
  dialling: boolean
}

/**
 * Keeps the static peers connected: dials without limit, with capped exponential backoff and jitter (SPEC §8, H29). A peer that closes right
 * after connecting may have banned us: it is not dialled again for `redial.refusedMs` (H41). It may still connect to us.
 */
export class ReconnectQueue {
  readonly #needs: ReconnectNeeds
  readonly #targets = new Map<PeerKey, Target>()
  #running = false

  /** Several addresses of one peer are tried together. @throws NetworkError `bad_address`, `peer_id_missing` */
  constructor(needs: ReconnectNeeds, addresses: readonly string[]) {
    this.#needs = needs
    for (const text of addresses) {
      const { address, peer } = addressWithPeer(text)
      const target = this.#targets.get(peer.toString())
      if (target !== undefined) target.addresses.push(address)
      else this.#targets.set(peer.toString(), { addresses: [address], failures: 0, reason: undefined, timer: undefined, dialling: false })
    }
  }

  has(peer: PeerKey): boolean { return this.#targets.has(peer) }

  /** The static peers that are not connected, each with the reason. */
  get troubles(): StaticPeerTrouble[] {
    return [...this.#targets].flatMap(([peer, { addresses, reason }]) => reason === undefined ? [] : [{ peer, reason, addresses: addresses.map(address => address.toString()) }])
  }

  start(): void {
    this.#running = true
    for (const [peer, target] of this.#targets) {
      // refusals survive a restart of the node (H41)
      if (this.#needs.refusedUntil(peer) === undefined) void this.#dial(peer, target)
      else this.#later(peer, target)
    }
  }

  stop(): void {
    this.#running = false
    for (const target of this.#targets.values()) this.#cancel(target)
  }

  /** Resets the backoff of a peer that stayed connected. */
  settled(peer: PeerKey): void {
    const target = this.#targets.get(peer)
    if (target === undefined) return
    target.failures = 0
  }

  /** Dials a peer now, without waiting for its backoff. */
  retry(peer: PeerKey): void {
    const target = this.#targets.get(peer)
    if (target === undefined) return
    this.#cancel(target)
    void this.#dial(peer, target)
  }

  /** Schedules the next dial of a peer whose last connection has closed. */
  disconnected(peer: PeerKey): void {
    const target = this.#targets.get(peer)
    if (target === undefined) return
    const until = this.#needs.refusedUntil(peer)
    if (until !== undefined) this.#note(peer, target, 'the peer closed right after connecting: it may have banned us, or be shutting down')
    this.#later(peer, target)
  }

  /** Notes that a peer is connected, whichever side dialled. */
  connected(peer: PeerKey): void {
    const target = this.#targets.get(peer)
    if (target !== undefined) this.#note(peer, target, undefined)
  }

  async #dial(peer: PeerKey, target: Target): Promise<void> {
    if (!this.#running || target.dialling || this.#needs.isConnected(peer)) return
    target.dialling = true
    let reached = false
    try {
      await this.#needs.dial(target.addresses, peer)
      reached = true
      this.#note(peer, target, undefined)
    } catch (error) {
      this.#note(peer, target, messageOf(error))
    } finally {
      target.dialling = false
    }
    if (!reached) this.#later(peer, target)
    // the connection may have closed before the dial resolved
    else if (!this.#needs.isConnected(peer)) this.#later(peer, target)
  }

  /** Notes the reason, and reports it if it is new. Digits are ignored: another port or time does not make a new reason. */
  #note(peer: PeerKey, target: Target, reason: string | undefined): void {
    const isSame = reason?.replace(/\d+/g, '') === target.reason?.replace(/\d+/g, '')
    target.reason = reason
    if (isSame || !this.#running) return
    this.#needs.told(reason === undefined ? { peer, reason } : { peer, reason, addresses: target.addresses.map(address => address.toString()) })
  }

  #later(peer: PeerKey, target: Target): void {
    this.#cancel(target)
    if (!this.#running) return
    target.timer = this.#needs.clock.setTimeout(() => {
      target.timer = undefined
      void this.#dial(peer, target)
    }, this.#delay(peer, target))
  }

  #delay(peer: PeerKey, target: Target): number {
    const { clock, policy, random } = this.#needs
    const jittered = backoffMs(target.failures, policy, random)
    target.failures = Math.min(target.failures + 1, 64)
    const refusedUntil = this.#needs.refusedUntil(peer)
    return refusedUntil === undefined ? jittered : Math.max(jittered, refusedUntil - clock.monotonic() + jittered)
  }

  #cancel(target: Target): void {
    if (target.timer === undefined) return
    this.#needs.clock.clearTimeout(target.timer)
    target.timer = undefined
  }
}
