import type { ChainStatus } from '../chain/ingress.js'
import type { Judgement } from '../chain/ports.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { pageRequest, toHex } from '../../protocol/index.js'
import { askedFor } from './range/download.js'
import { checkPage } from './range/page-check.js'
import type { AskedPage } from './range/page-check.js'
import type { SyncPeerState } from './peers.js'
import type { Answer, SyncContext } from './context.js'

/** A parent that a gossiped block names and that chain does not have. */
interface Gap {
  readonly hash: Uint8Array
  readonly height: bigint
  readonly from: PeerKey | undefined
  readonly since: number
  readonly tried: Set<PeerKey>
  state: 'waiting' | 'asking' | 'over'
}

/** Heights fetched together with a missing parent that lies below our head, on another branch. */
const BELOW = 7n
/** Chain's status is not asked for more often than this while no peer can be asked, ms. */
const LOOK_EVERY_MS = 50

/** What unknown parents need of the range sync, which fills gaps larger than a page. */
export interface CatchUp {
  /** Extends the running range sync to this height, or starts one. */
  want(height: bigint): void
  running(): boolean
  /** Whether the running range sync has yet to reach this height. */
  covers(height: bigint): boolean
}

/**
 * Fetches unknown parents of gossiped blocks (SPEC §9): `gapAfter` (300 ms) after a child arrived without its parent, the missing blocks
 * are requested, first from the peer that brought the child. Neighbouring gaps share one request; a gap larger than a page becomes a range
 * sync. After `gapPeers` peers without success chain is told (the parent may be a hand-over that nobody keeps, SPEC §6), and the next round
 * catches up to the heads of the peers.
 */
export class UnknownParents {
  readonly #gaps = new Map<string, Gap>()
  #looking = false
  #notBefore = -Infinity

  constructor(private readonly context: SyncContext, private readonly catchUp: CatchUp) {}

  get size(): number { return this.#gaps.size }

  missing(hash: Uint8Array, height: bigint, from: PeerKey | undefined): void {
    if (this.catchUp.covers(height)) {
      // the range sync will bring it: pages may be judged out of order
      this.#announce({ from, height })
      this.catchUp.want(height)
      return
    }
    const id = toHex(hash)
    if (this.#gaps.has(id)) return
    if (this.#gaps.size >= this.context.config.gaps) {
      const [oldest] = this.#gaps.keys()
      if (oldest !== undefined) this.#gaps.delete(oldest)
      this.context.count('gapsDropped')
    }
    this.#gaps.set(id, { hash, height, from, since: this.context.now(), tried: new Set(), state: 'waiting' })
  }

  /** Sends the requests that are due. */
  pump(): void {
    const now = this.context.now()
    let due = false
    for (const gap of this.#gaps.values()) {
      if (gap.state !== 'waiting') continue
      const left = gap.since + this.context.config.gapAfter - now
      if (left > 0) { this.context.wake(left); break }
      due = true
      break
    }
    if (!due || this.#looking) return
    if (now < this.#notBefore) { this.context.wake(this.#notBefore - now); return }
    this.#looking = true
    this.#notBefore = now + LOOK_EVERY_MS
    this.context.standing(standing => {
      this.#looking = false
      if (standing !== undefined) this.#ask(standing)
    })
  }

  #ask({ next, confirmedTip, pendingParents }: ChainStatus): void {
    // no block waits for a parent any more: they arrived by gossip
    if (pendingParents === 0) for (const [id, { state }] of this.#gaps) if (state === 'waiting') this.#gaps.delete(id)
    const { config } = this.context
    const lowest = confirmedTip === undefined ? 0n : confirmedTip.blockNumber + 1n
    const ahead: Gap[] = []
    for (const [id, gap] of this.#gaps) {
      if (gap.state !== 'waiting' || this.context.now() - gap.since < config.gapAfter) continue
      // heights below the anchor or the root are never filled (SPEC §7)
      if (next === undefined || gap.height < lowest) { this.#gaps.delete(id); continue }
      if (gap.height < next) {
        this.#fetch([gap], askedFor(gap.height > lowest + BELOW ? gap.height - BELOW : lowest, gap.height, config.pageSize))
        continue
      }
      if (gap.height - next >= BigInt(config.pageSize) || this.catchUp.running()) {
        this.#gaps.delete(id)
        this.#announce(gap)
        this.catchUp.want(gap.height)
      } else {
        ahead.push(gap)
      }
    }
    if (next === undefined || ahead.length === 0) return
    const top = ahead.reduce((highest, { height }) => height > highest ? height : highest, next)
    this.#fetch(ahead, askedFor(next, top, config.pageSize))
  }

  /** A peer that brings a block has its parent. */
  #announce({ from, height }: Pick<Gap, 'from' | 'height'>): void {
    const state = from === undefined ? undefined : this.context.book.get(from)
    if (state === undefined || (state.brought !== undefined && state.brought >= height)) return
    state.brought = height
    if (state.exhaustedAt !== undefined && state.exhaustedAt <= height) state.exhaustedAt = undefined
  }

  #fetch(gaps: readonly Gap[], asked: AskedPage): void {
    const state = this.#choose(gaps)
    if (state === 'nobody') { this.#give(gaps, true); return }
    if (state === undefined) return
    for (const gap of gaps) { gap.state = 'asking'; gap.tried.add(state.peer) }
    this.context.request(state, 'commitments', pageRequest(asked.start, asked.count), answer => { this.#answered(gaps, state, asked, answer) })
  }

  /** `undefined` if the peers that fit are all busy now. */
  #choose(gaps: readonly Gap[]): SyncPeerState | 'nobody' | undefined {
    const now = this.context.now()
    const fits = (state: SyncPeerState): boolean => !state.discounted && !gaps.some(({ tried }) => tried.has(state.peer))
    const bringers = new Set(gaps.map(({ from }) => from))
    for (const only of [(state: SyncPeerState) => bringers.has(state.peer) && fits(state), fits]) {
      const chosen = this.context.book.choose('commitments', now, only)
      if (chosen === undefined) continue
      if (!('readyAt' in chosen)) return chosen
      if (chosen.readyAt !== undefined) this.context.wake(chosen.readyAt - now)
      if (only === fits) return undefined
    }
    return 'nobody'
  }

  #answered(gaps: readonly Gap[], { peer }: SyncPeerState, asked: AskedPage, answer: Answer): void {
    if (!answer.ok) { this.#give(gaps, false); return }
    const check = checkPage(answer.body, asked)
    if (!check.ok) {
      this.context.fault(peer, check.fault.reason, check.fault.detail, 'proved')
      this.#give(gaps, false)
      return
    }
    if (check.page.count === 0) { this.#give(gaps, false); return }
    this.context.handPage(check.page.bytes, peer, {
      judged: results => { this.#judged(gaps, peer, results) },
      lost: () => { this.#give(gaps, false) },
    })
  }

  #judged(gaps: readonly Gap[], peer: PeerKey, results: readonly Judgement[]): void {
    const culprit = results.find(({ penalty }) => penalty)
    if (culprit !== undefined) this.context.fault(peer, 'invalid', culprit.reason, 'proved')
    let some = false
    for (const { hash, penalty } of results) {
      if (penalty) continue
      const gap = this.#gaps.get(toHex(hash))
      if (gap === undefined) continue
      some = true
      gap.state = 'over'
      this.#gaps.delete(toHex(hash))
    }
    if (some) this.context.credit(peer)
    this.#give(gaps.filter(({ state }) => state !== 'over'), false)
  }

  /** Retries with another peer, or gives up if there is none or enough were asked. */
  #give(gaps: readonly Gap[], none: boolean): void {
    for (const gap of gaps) {
      gap.state = 'waiting'
      if (!none && gap.tried.size < this.context.config.gapPeers) continue
      gap.state = 'over'
      if (!this.#gaps.delete(toHex(gap.hash))) continue
      if (gap.tried.size > 0) this.context.parentUnavailable(gap.hash, gap.tried.size)
      this.context.emit({ type: 'gapFailed', hash: gap.hash, height: gap.height, asked: gap.tried.size })
    }
  }
}
