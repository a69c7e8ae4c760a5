import { CancelledError, seconds } from '../kernel/index.js'
import type { Clock, TimerHandle } from '../kernel/index.js'
import type { SyncResult } from '../sync/ingress.js'
import { ServiceError } from './errors.js'
import type { NetworkEvent } from './events.js'
import { patiently } from './signals.js'

/** The reason why signing was allowed. */
export type SigningFrom =
  /** The first catch-up has ended: no peer that could be asked has more. */
  | 'caught_up'
  /** There are no peers to ask: neither static peers nor discovery are configured. */
  | 'alone'
  /** No peer connected in time. */
  | 'no_peer'
  /** The catch-up made no progress for too long. */
  | 'no_progress'
  /** `signing: { beforeCatchUp: true }` */
  | 'option'

export type GateEvent = { readonly type: 'signingReady'; readonly after: SigningFrom }

/** Without a peer for this long, signing is allowed: there is no peer that could show what we signed. Milliseconds. */
const WITHOUT_PEER = seconds(30)
/** Without progress of the catch-up for this long, signing is allowed. Milliseconds. */
const WITHOUT_PROGRESS = seconds(60)
/** Delay before the next catch-up, after one that could not import everything. Milliseconds. */
const AGAIN_AFTER = seconds(1)
/** A catch-up is asked for anew where it takes longer: whether it moves, its progress says, ms. */
const RUN_WITHIN = seconds(600)

interface Needs {
  readonly clock: Clock
  /** At once, and why. */
  readonly open?: SigningFrom | undefined
  /** Catches up, or joins the catch-up that is under way. */
  readonly sync: (within: { readonly ms: number; readonly signal: AbortSignal }) => Promise<SyncResult>
  /** The first catch-up has brought everything: resolves when what it showed of our key is recorded. */
  readonly caughtUp: () => Promise<void>
  /** Whether `caughtUp` is to be told however signing began: in a directory that remembers it. */
  readonly remembers: boolean
  /** Told once. */
  readonly opened: (after: SigningFrom) => void
}

/**
 * Nothing is signed before the first catch-up has come to its end (SPEC §7, H76): until then others may know of signatures of ours that
 * we do not. Its end is that nobody has more; that no peer was there for 30 s; or that it did not move for 60 s.
 */
export class SigningGate {
  readonly #closing = new AbortController()
  readonly #waiting = new Set<() => void>()
  readonly #peers = new Set<string>()
  #timer: TimerHandle | undefined
  #asking = false
  #at = -1n
  #open = false
  #caughtUp = false

  constructor(private readonly needs: Needs) {
    if (needs.open !== undefined) this.#opens(needs.open)
    else this.#expect(WITHOUT_PEER, () => { this.#opens('no_peer') })
  }

  get held(): boolean { return !this.#open }

  /** What the node says of its peers, its head and its catch-up. */
  event(event: NetworkEvent): void {
    if (this.#done || this.#closing.signal.aborted) return
    switch (event.type) {
      case 'peerReady':
        this.#peers.add(event.peer)
        if (this.#peers.size === 1) this.#moved()
        void this.#catchUp()
        break
      case 'peerDisconnected':
        if (this.#peers.delete(event.peer) && this.#peers.size === 0 && !this.#open) this.#expect(WITHOUT_PEER, () => { this.#opens('no_peer') })
        break
      case 'head': this.#movedTo(event.head.blockNumber); break
      case 'syncProgress': this.#movedTo(event.at); break
      default:
    }
  }

  /**
   * Resolves when signing may begin.
   * @param end of the submission window, s since the epoch
   * @throws ServiceError `signing_held` where that is over first, `stopped`; CancelledError
   */
  async wait(end: bigint, signal: AbortSignal | undefined): Promise<void> {
    if (this.#open) return
    const { clock } = this.needs
    await patiently(async over => new Promise<void>(resolve => {
      this.#waiting.add(resolve)
      over.addEventListener('abort', () => { this.#waiting.delete(resolve) }, { once: true })
    }), {
      // What a timer can hold: the gate opens long before that.
      clock, ms: Math.min(Math.max(0, Number(end) * 1_000 - clock.now()), 2 ** 31 - 1),
      late: () => new ServiceError('signing_held', 'nothing is signed before the first catch-up has ended, and this submission window ends first', end),
      ends: [[this.#closing.signal, () => new ServiceError('stopped', 'the service is stopped')], [signal, reason => new CancelledError('publishCommitment', reason)]],
    })
  }

  close(): void {
    this.#closing.abort()
    this.#expectNothing()
  }

  async #catchUp(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    while (!this.#done && !this.#closing.signal.aborted && this.#peers.size > 0) {
      try {
        const { outcome } = await this.needs.sync({ ms: RUN_WITHIN, signal: this.#closing.signal })
        if (outcome === 'caught_up') {
          await this.needs.caughtUp()
          this.#caughtUp = true
          this.#opens('caught_up')
        }
      } catch {
        // A part that is started again: it is asked again.
      }
      if (!this.#caughtUp) await this.#pause()
    }
    this.#asking = false
  }

  /** Whether there is nothing left to find out. */
  get #done(): boolean { return this.#open && (this.#caughtUp || !this.needs.remembers) }

  async #pause(): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = this.needs.clock.setTimeout(resolve, AGAIN_AFTER)
      this.#closing.signal.addEventListener('abort', () => { this.needs.clock.clearTimeout(timer); resolve() }, { once: true })
    })
  }

  #movedTo(height: bigint): void {
    if (height <= this.#at) return
    this.#at = height
    if (this.#peers.size > 0) this.#moved()
  }

  #moved(): void { if (!this.#open) this.#expect(WITHOUT_PROGRESS, () => { this.#opens('no_progress') }) }

  #expect(ms: number, then: () => void): void {
    this.#expectNothing()
    this.#timer = this.needs.clock.setTimeout(then, ms)
  }

  #expectNothing(): void {
    if (this.#timer !== undefined) this.needs.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #opens(after: SigningFrom): void {
    if (this.#open || this.#closing.signal.aborted) return
    this.#open = true
    this.#expectNothing()
    this.needs.opened(after)
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
