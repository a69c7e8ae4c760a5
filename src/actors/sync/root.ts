import { MAX_COMMITMENTS } from '../../protocol/index.js'
import { HIGHEST_HEAD } from './heads.js'
import { checkPage } from './page-check.js'
import type { CheckedPage } from './page-check.js'
import type { SyncPeerState } from './peers.js'
import { pageRequest } from './wire.js'
import type { World } from './world.js'

/** Where a chain without an anchor begins, and who delivered it. */
export interface Root { readonly page: CheckedPage; readonly peer: SyncPeerState }

/** Peers whose beginnings are compared. */
const PEERS = 8

/**
 * Finds where to begin without a tip (SPEC §7: the root is the lowest block that most of the asked peers can serve). Peers are asked for
 * block 0: a young chain begins within a page of it, and nodes that answer with the first they have at or above say where theirs does. Where
 * most say nothing so, they are asked for the page below their heads. Nothing below the root is ever filled, and one peer with an old piece
 * of the chain is not most (H52).
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
    if (this.#found.length > 0 && (this.#underWay === 0 || late)) {
      const best = this.#best()
      if (best !== undefined) return best
    }
    if (this.#underWay > 0) {
      if (!late) this.world.wake(this.#askedAt + this.world.config.lateAfter - this.world.now())
      if (!late || this.#asked.size >= 2 * PEERS) return undefined
    }
    if (this.#ask() || this.#underWay > 0) return undefined
    const patience = this.headsLeft()
    if (patience > 0) { this.world.wake(patience); return undefined }
    if (this.#stage === 'heads') return this.#leading() ?? 'none'
    this.#stage = 'heads'
    this.#asked.clear()
    return this.#ask() ? undefined : this.#leading() ?? 'none'
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

  /** The lowest beginning that most of those can serve who were asked and have a head or a block. */
  #best(): Root | undefined {
    const most = [...this.#asked].filter(state => state.head !== undefined || this.#found.some(({ peer }) => peer === state)).length / 2
    let best: Root | undefined
    for (const each of this.#found) {
      if (this.#servers(each.page.start) <= most) continue
      const earlier = best === undefined || each.page.start < best.page.start
      if (earlier || (each.page.start === best?.page.start && each.page.next > best.page.next)) best = each
    }
    return best
  }

  /** Where no block is most peers', the beginning that leads to the highest head. */
  #leading(): Root | undefined {
    return this.#found.reduce<Root | undefined>((best, each) => best === undefined || topOf(each) > topOf(best) ? each : best, undefined)
  }

  /** Peers that can serve this height, by what they have shown and announced. */
  #servers(height: bigint): number {
    return new Set(this.#found.filter(each => each.page.start <= height && topOf(each) >= height).map(({ peer }) => peer)).size
  }

  /** What is still under way is not waited for. */
  stop(): void { this.#round++ }
}

/** How far its chain goes; of one that announces zeros a whole page says that there may be more. */
function topOf({ page, peer: { head, blind } }: Root): bigint {
  const top = page.next - 1n
  if (blind && page.count >= MAX_COMMITMENTS) return HIGHEST_HEAD
  return head !== undefined && head.blockNumber > top ? head.blockNumber : top
}
