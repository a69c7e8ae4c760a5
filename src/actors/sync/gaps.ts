import type { ChainStanding } from '../chain/ingress.js'
import type { Judgement } from '../chain/ports.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { toHex } from '../../protocol/index.js'
import { askedFor } from './fetch.js'
import { checkPage } from './page-check.js'
import type { AskedPage } from './page-check.js'
import type { SyncPeerState } from './peers.js'
import { pageRequest } from './wire.js'
import type { Answer, World } from './world.js'

/** A parent that a live block names and that chain does not have. */
interface Gap {
  readonly hash: Uint8Array
  readonly height: bigint
  readonly from: PeerKey | undefined
  readonly since: number
  readonly tried: Set<PeerKey>
  state: 'waiting' | 'asking' | 'over'
}

/** Heights below a missing parent that are fetched with it where it stands beside our chain. */
const BELOW = 7n
/** Where nobody can be asked at once, chain is not asked more often than this. */
const LOOK_EVERY_MS = 50

/** What gap fill needs of the catch-up: a gap larger than a page is one. */
export interface CatchUp {
  /** Lets the run under way go up to this height, or starts one. */
  want(height: bigint): void
  running(): boolean
  /** Whether the run under way has this height before it. */
  covers(height: bigint): boolean
}

/**
 * Fills gaps on the live path (SPEC §9): 300 ms after a child came before its parent, what is missing is asked for, first of the peer
 * that brought the child. Gaps of the same stretch are one request; one larger than a page is a catch-up. Three peers in vain are the
 * end of it: chain is told (the parent may be a hand-over that nobody keeps, SPEC §6), and the next round catches up to the heads of all.
 */
export class GapFill {
  readonly #gaps = new Map<string, Gap>()
  #looking = false
  #notBefore = -Infinity

  constructor(private readonly world: World, private readonly catchUp: CatchUp) {}

  get size(): number { return this.#gaps.size }

  missing(hash: Uint8Array, height: bigint, from: PeerKey | undefined): void {
    if (this.catchUp.covers(height)) {
      // pages may be judged in another order than they were handed over
      this.#announce({ from, height })
      this.catchUp.want(height)
      return
    }
    const id = toHex(hash)
    if (this.#gaps.has(id)) return
    if (this.#gaps.size >= this.world.config.gaps) {
      const [oldest] = this.#gaps.keys()
      if (oldest !== undefined) this.#gaps.delete(oldest)
      this.world.count('gapsDropped')
    }
    this.#gaps.set(id, { hash, height, from, since: this.world.now(), tried: new Set(), state: 'waiting' })
  }

  /** Asks for what is due. */
  pump(): void {
    const now = this.world.now()
    let due = false
    for (const gap of this.#gaps.values()) {
      if (gap.state !== 'waiting') continue
      const left = gap.since + this.world.config.gapAfter - now
      if (left > 0) { this.world.wake(left); break }
      due = true
      break
    }
    if (!due || this.#looking) return
    if (now < this.#notBefore) { this.world.wake(this.#notBefore - now); return }
    this.#looking = true
    this.#notBefore = now + LOOK_EVERY_MS
    this.world.standing(standing => {
      this.#looking = false
      if (standing !== undefined) this.#ask(standing)
    })
  }

  #ask({ next, confirmedTip, pendingParents }: ChainStanding): void {
    // nothing waits for a parent any more: they came by themselves
    if (pendingParents === 0) for (const [id, { state }] of this.#gaps) if (state === 'waiting') this.#gaps.delete(id)
    const { config } = this.world
    const lowest = confirmedTip === undefined ? 0n : confirmedTip.blockNumber + 1n
    const ahead: Gap[] = []
    for (const [id, gap] of this.#gaps) {
      if (gap.state !== 'waiting' || this.world.now() - gap.since < config.gapAfter) continue
      // nothing below the anchor or the root is ever filled (SPEC §7)
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

  /** Who brings a block has what it stands on. */
  #announce({ from, height }: Pick<Gap, 'from' | 'height'>): void {
    const state = from === undefined ? undefined : this.world.book.get(from)
    if (state === undefined || (state.brought !== undefined && state.brought >= height)) return
    state.brought = height
    if (state.exhaustedAt !== undefined && state.exhaustedAt <= height) state.exhaustedAt = undefined
  }

  #fetch(gaps: readonly Gap[], asked: AskedPage): void {
    const state = this.#choose(gaps)
    if (state === 'nobody') { this.#give(gaps, true); return }
    if (state === undefined) return
    for (const gap of gaps) { gap.state = 'asking'; gap.tried.add(state.peer) }
    this.world.request(state, 'commitments', pageRequest(asked.start, asked.count), answer => { this.#answered(gaps, state, asked, answer) })
  }

  /** `undefined`: those that could be asked cannot now. */
  #choose(gaps: readonly Gap[]): SyncPeerState | 'nobody' | undefined {
    const now = this.world.now()
    const fits = (state: SyncPeerState): boolean => !state.discounted && !gaps.some(({ tried }) => tried.has(state.peer))
    const bringers = new Set(gaps.map(({ from }) => from))
    for (const only of [(state: SyncPeerState) => bringers.has(state.peer) && fits(state), fits]) {
      const chosen = this.world.book.choose('commitments', now, only)
      if (chosen === undefined) continue
      if (!('readyAt' in chosen)) return chosen
      if (chosen.readyAt !== undefined) this.world.wake(chosen.readyAt - now)
      if (only === fits) return undefined
    }
    return 'nobody'
  }

  #answered(gaps: readonly Gap[], { peer }: SyncPeerState, asked: AskedPage, answer: Answer): void {
    if (!answer.ok) { this.#give(gaps, false); return }
    const check = checkPage(answer.body, asked)
    if (!check.ok) {
      this.world.fault(peer, check.fault.reason, check.fault.detail, 'proved')
      this.#give(gaps, false)
      return
    }
    if (check.page.count === 0) { this.#give(gaps, false); return }
    this.world.handPage(check.page.bytes, peer, {
      judged: results => { this.#judged(gaps, peer, results) },
      lost: () => { this.#give(gaps, false) },
    })
  }

  #judged(gaps: readonly Gap[], peer: PeerKey, results: readonly Judgement[]): void {
    const culprit = results.find(({ penalty }) => penalty)
    if (culprit !== undefined) this.world.fault(peer, 'invalid', culprit.reason, 'proved')
    let some = false
    for (const { hash, penalty } of results) {
      if (penalty) continue
      const gap = this.#gaps.get(toHex(hash))
      if (gap === undefined) continue
      some = true
      gap.state = 'over'
      this.#gaps.delete(toHex(hash))
    }
    if (some) this.world.credit(peer)
    this.#give(gaps.filter(({ state }) => state !== 'over'), false)
  }

  /** They are to be asked of another peer, unless there is none, or enough were asked. */
  #give(gaps: readonly Gap[], none: boolean): void {
    for (const gap of gaps) {
      gap.state = 'waiting'
      if (!none && gap.tried.size < this.world.config.gapPeers) continue
      gap.state = 'over'
      if (!this.#gaps.delete(toHex(gap.hash))) continue
      if (gap.tried.size > 0) this.world.parentUnavailable(gap.hash, gap.tried.size)
      this.world.emit({ type: 'gapFailed', hash: gap.hash, height: gap.height, asked: gap.tried.size })
    }
  }
}
