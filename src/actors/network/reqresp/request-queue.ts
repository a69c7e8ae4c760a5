import type { PeerKey } from '../../../protocol/peer-key.js'
import type { TimerHandle } from '../../kernel/index.js'
import { RequestError } from '../errors.js'
import type { RequestKind } from '../ingress.js'
import type { ClientNeeds, RequestOptions } from './client.js'
import type { ExchangeOutcome, Places } from './request-quota.js'

/** The peer chosen for a request, with a place held in its quota. */
export interface Chosen {
  readonly peer: PeerKey
  /** Releases the place, once, when the exchange is over; returns how many requests the peer can be sent then. */
  release(outcome: ExchangeOutcome): Places
}

interface Waiter {
  readonly kind: RequestKind
  readonly peer: PeerKey | undefined
  readonly exclude: ReadonlySet<PeerKey>
  readonly until: number
  settle(outcome: Chosen | RequestError): void
}

/** A chosen peer; or when to try again (`undefined`: after a change among the peers); or why the request cannot be sent. */
type Choice = { readonly chosen: Chosen } | { readonly at: number | undefined } | { readonly error: RequestError }

/** Requests that wait for a peer with room in its quota: first in, first out, bounded in number and time. */
export class RequestQueue {
  readonly #needs: ClientNeeds
  readonly #waiting = new Set<Waiter>()
  #timer: TimerHandle | undefined
  #stopped = false

  constructor(needs: ClientNeeds) { this.#needs = needs }

  get size(): number { return this.#waiting.size }

  /** Resolves to the peer to ask. @throws RequestError `no_peer`, `not_connected`, `unsupported`, `queue_full`, `timeout`, `cancelled`, `stopping` */
  turn(kind: RequestKind, { peer, exclude = [], signal }: RequestOptions): Promise<Chosen> {
    const { clock, limits } = this.#needs
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        kind, peer, exclude: new Set(exclude), until: clock.monotonic() + limits.quotaWithinMs,
        settle: outcome => {
          this.#waiting.delete(waiter)
          signal?.removeEventListener('abort', onAbort)
          if (outcome instanceof RequestError) reject(outcome)
          else resolve(outcome)
        },
      }
      const onAbort = (): void => { waiter.settle(new RequestError('cancelled', 'the caller gave up before its turn', { peer, cause: signal?.reason })) }
      if (this.#stopped) { waiter.settle(new RequestError('stopping', 'the driver is stopping')); return }
      if (signal?.aborted === true) { onAbort(); return }
      // requests that already wait for the same peers go first
      if (this.#waiting.size >= limits.maxWaiting) {
        waiter.settle(new RequestError('queue_full', `${limits.maxWaiting} requests wait already`, { value: this.#waiting.size, limit: limits.maxWaiting }))
        return
      }
      signal?.addEventListener('abort', onAbort)
      this.#waiting.add(waiter)
      this.dispatch()
    })
  }

  /** Sends every waiting request for which there is room now. */
  dispatch(): void {
    const { clock, limits } = this.#needs
    const now = clock.monotonic()
    let next = Infinity
    for (const waiter of this.#waiting) {
      const choice = this.#choose(waiter, now)
      if ('chosen' in choice) waiter.settle(choice.chosen)
      else if ('error' in choice) waiter.settle(choice.error)
      else if (now >= waiter.until) {
        waiter.settle(new RequestError('timeout', `no turn within ${limits.quotaWithinMs} ms`, { value: limits.quotaWithinMs, peer: waiter.peer }))
      } else next = Math.min(next, choice.at ?? waiter.until, waiter.until)
    }
    this.#wakeAt(next, now)
  }

  stop(): void {
    this.#stopped = true
    for (const waiter of this.#waiting) waiter.settle(new RequestError('stopping', 'the driver is stopping', { peer: waiter.peer }))
    this.#wakeAt(Infinity, 0)
  }

  #choose(waiter: Waiter, now: number): Choice {
    return waiter.peer === undefined ? this.#chooseAny(waiter, now) : this.#chooseNamed(waiter.peer, waiter.kind, now)
  }

  #chooseNamed(peer: PeerKey, kind: RequestKind, now: number): Choice {
    const { book, protocols } = this.#needs
    const known = book.get(peer)
    if (known === undefined || known.leaving) return { error: new RequestError('not_connected', `${peer} is not connected`, { peer, value: peer }) }
    // before identify is done nobody knows: the negotiation of the stream tells
    if (known.identified && !known.protocols.has(protocols[kind])) {
      return { error: new RequestError('unsupported', `${peer} does not speak ${protocols[kind]}`, { peer, value: protocols[kind] }) }
    }
    return this.#hold(peer, kind, now) ?? { at: this.#roomAt(peer, kind, now) }
  }

  #chooseAny({ kind, exclude }: Waiter, now: number): Choice {
    const { book, protocols } = this.#needs
    const able = book.candidates(protocols[kind], exclude)
    const candidates = able.filter(({ peer }) => this.#needs.mayAsk(peer))
    if (candidates.length === 0) {
      const why = able.length === 0 ? `no connected peer speaks ${protocols[kind]}` : `of none of the ${able.length} that speak ${protocols[kind]} anything good is to be expected`
      return { error: new RequestError('no_peer', why, { value: protocols[kind] }) }
    }
    let at: number | undefined
    for (const { peer } of candidates) {
      const held = this.#hold(peer, kind, now)
      if (held !== undefined) return held
      const room = this.#roomAt(peer, kind, now)
      if (room !== undefined) at = Math.min(at ?? Infinity, room)
    }
    return { at }
  }

  #hold(peer: PeerKey, kind: RequestKind, now: number): Choice | undefined {
    const { book, clock, quota } = this.#needs
    if (!quota.hold(peer, kind, this.#needs.isSameClient(peer), now)) return undefined
    book.asked(peer)
    let released = false
    const release = (outcome: ExchangeOutcome): Places => {
      const then = clock.monotonic()
      if (!released) quota.release(peer, kind, then, outcome)
      released = true
      return quota.places(peer, kind, this.#needs.isSameClient(peer), then)
    }
    return { chosen: { peer, release } }
  }

  #roomAt(peer: PeerKey, kind: RequestKind, now: number): number | undefined {
    return this.#needs.quota.roomAt(peer, kind, this.#needs.isSameClient(peer), now)
  }

  #wakeAt(at: number, now: number): void {
    const { clock } = this.#needs
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer)
    this.#timer = at === Infinity ? undefined : clock.setTimeout(() => { this.#timer = undefined; this.dispatch() }, Math.max(1, at - now))
  }
}
