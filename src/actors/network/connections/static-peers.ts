import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Clock, Random, TimerHandle } from '../../kernel/index.js'
import { addressWithPeer } from '../addresses.js'
import type { RedialPolicy } from '../config.js'

export interface StaticPeersNeeds {
  readonly clock: Clock
  readonly random: Random
  readonly policy: RedialPolicy
  isConnected(peer: PeerKey): boolean
  /** Until when a peer that closed on us is to be left alone, on the monotonic clock. */
  refusedUntil(peer: PeerKey): number | undefined
  /** Resolves when connected; rejects otherwise. */
  dial(addresses: readonly Multiaddr[], peer: PeerKey): Promise<unknown>
}

interface Target {
  readonly addresses: Multiaddr[]
  failures: number
  timer: TimerHandle | undefined
  dialling: boolean
}

/**
 * Dials the static peers for ever, with capped exponential backoff and jitter (SPEC §8, H29). A peer that closed on us within 1 s of
 * connecting has banned us: it is left alone for hours (H41), unless it comes to us itself.
 */
export class StaticPeers {
  readonly #needs: StaticPeersNeeds
  readonly #targets = new Map<PeerKey, Target>()
  #running = false

  /** Several addresses of one peer are tried together. @throws NetworkError `bad_address`, `peer_id_missing` */
  constructor(needs: StaticPeersNeeds, addresses: readonly string[]) {
    this.#needs = needs
    for (const text of addresses) {
      const { address, peer } = addressWithPeer(text)
      const target = this.#targets.get(peer.toString())
      if (target !== undefined) target.addresses.push(address)
      else this.#targets.set(peer.toString(), { addresses: [address], failures: 0, timer: undefined, dialling: false })
    }
  }

  has(peer: PeerKey): boolean { return this.#targets.has(peer) }

  start(): void {
    this.#running = true
    for (const [peer, target] of this.#targets) {
      // a refusal outlives a restart (H41)
      if (this.#needs.refusedUntil(peer) === undefined) void this.#dial(peer, target)
      else this.#later(peer, target)
    }
  }

  stop(): void {
    this.#running = false
    for (const target of this.#targets.values()) this.#cancel(target)
  }

  /** It stayed long enough to count as reached. */
  settled(peer: PeerKey): void {
    const target = this.#targets.get(peer)
    if (target !== undefined) target.failures = 0
  }

  /** Dials it now, whatever its delay: the operator has taken a refusal back. */
  retry(peer: PeerKey): void {
    const target = this.#targets.get(peer)
    if (target === undefined) return
    this.#cancel(target)
    void this.#dial(peer, target)
  }

  /** Its last connection closed. */
  disconnected(peer: PeerKey): void {
    const target = this.#targets.get(peer)
    if (target !== undefined) this.#later(peer, target)
  }

  async #dial(peer: PeerKey, target: Target): Promise<void> {
    if (!this.#running || target.dialling || this.#needs.isConnected(peer)) return
    target.dialling = true
    let reached = false
    try {
      await this.#needs.dial(target.addresses, peer)
      reached = true
    } catch {
      // whatever it was: the next attempt comes later
    } finally {
      target.dialling = false
    }
    if (!reached) this.#later(peer, target)
    // closed again while the dial was still being told: nobody else calls `disconnected`
    else if (!this.#needs.isConnected(peer)) this.#later(peer, target)
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
    const full = Math.min(policy.maxMs, policy.firstMs * policy.factor ** target.failures)
    target.failures = Math.min(target.failures + 1, 64)
    const jittered = full * (1 - policy.jitter * random())
    const refusedUntil = this.#needs.refusedUntil(peer)
    return refusedUntil === undefined ? jittered : Math.max(jittered, refusedUntil - clock.monotonic() + jittered)
  }

  #cancel(target: Target): void {
    if (target.timer === undefined) return
    this.#needs.clock.clearTimeout(target.timer)
    target.timer = undefined
  }
}
