import { checkPage } from './page-check.js'
import type { CheckedPage } from './page-check.js'
import type { SyncPeerState } from './peers.js'
import { pageRequest } from './wire.js'
import type { World } from './world.js'

/** Where a chain without an anchor begins, and who delivered it. */
export interface Root { readonly page: CheckedPage; readonly peer: SyncPeerState }

/** Peers whose beginnings are compared. */
const PEERS = 3

/**
 * Finds where to begin without a tip and without a root (SPEC §7: the first accepted commitment is the root). Peers are asked for block 0:
 * a young chain begins within a page of it, and nodes that answer with the first they have at or above say where theirs does. Where that
 * gives nothing, they are asked for the page below their heads. The lowest beginning wins: nothing below the root is ever filled.
 */
export class RootSearch {
  #stage: 'lowest' | 'heads' = 'lowest'
  #underWay = 0
  #askedAt = 0
  #round = 0
  readonly #asked = new Set<SyncPeerState>()
  readonly #found: Root[] = []

  /** @param headsLeft how long heads that are under way are waited for, ms */
  constructor(private readonly world: World, private readonly headsLeft: () => number) {}

  /** The root, `none` where nobody has a block, `undefined` while that is open. Asks who is to be asked next. */
  pump(): Root | 'none' | undefined {
    const late = this.world.now() - this.#askedAt >= this.world.config.lateAfter
    if (this.#found.length > 0 && (this.#underWay === 0 || late)) return this.#best()
    if (this.#underWay > 0) {
      if (!late) this.world.wake(this.#askedAt + this.world.config.lateAfter - this.world.now())
      if (!late || this.#asked.size >= 2 * PEERS) return undefined
    }
    if (this.#ask() || this.#underWay > 0) return undefined
    const patience = this.headsLeft()
    if (patience > 0) { this.world.wake(patience); return undefined }
    if (this.#stage === 'heads') return 'none'
    this.#stage = 'heads'
    this.#asked.clear()
    return this.#ask() ? undefined : 'none'
  }

  #ask(): boolean {
    const before = this.#asked.size
    const now = this.world.now()
    for (let some = 0; some < PEERS; some++) {
      const chosen = this.world.book.choose('commitments', now, state => {
        return !this.#asked.has(state) && !state.discounted && (this.#stage === 'lowest' || (state.head?.blockNumber ?? 0n) > 0n)
      })
      if (chosen === undefined || 'readyAt' in chosen) break
      this.#request(chosen)
    }
    if (this.#asked.size > before) this.#askedAt = now
    return this.#asked.size > before
  }

  #request(state: SyncPeerState): void {
    const { pageSize } = this.world.config
    const head = state.head?.blockNumber ?? 0n
    const start = this.#stage === 'lowest' || head < BigInt(pageSize) ? 0n : head - BigInt(pageSize) + 1n
    this.#asked.add(state)
    this.#underWay++
    const round = this.#round
    this.world.request(state, 'commitments', pageRequest(start, pageSize), answer => {
      if (round !== this.#round) return
      this.#underWay--
      if (!answer.ok) return
      const check = checkPage(answer.body, { start, count: pageSize, anywhere: true })
      if (check.ok) {
        if (check.page.count > 0) this.#found.push({ page: check.page, peer: state })
        return
      }
      state.discounted = true
      this.world.fault(state.peer, check.fault.reason, check.fault.detail, 'proved')
    })
  }

  #best(): Root {
    return this.#found.reduce((best, each) => {
      if (each.page.start !== best.page.start) return each.page.start < best.page.start ? each : best
      return each.page.next > best.page.next ? each : best
    })
  }

  /** What is still under way is not waited for. */
  stop(): void { this.#round++ }
}
