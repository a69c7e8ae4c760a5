import { MAX_COMMITMENTS, pageRequest } from '../../../protocol/index.js'
import { HIGHEST_HEAD } from './target.js'
import { checkPage } from './page-check.js'
import type { CheckedPage } from './page-check.js'
import type { SyncPeerState } from '../peers.js'
import type { SyncContext } from '../context.js'

/** A possible beginning of a chain without an anchor, and the peer that delivered it. */
export interface Root { readonly page: CheckedPage; readonly peer: SyncPeerState }

/** Peers asked per stage. */
const PEERS = 8

/**
 * Finds the start height without a confirmed tip (SPEC §7: the root is the lowest block that most of the asked peers can serve). Peers are
 * asked from block 0: a young chain begins within that page, and a node whose store begins higher answers with its lowest blocks. If that
 * gives no majority, they are asked for the page below their heads. Nothing below the root is ever filled, and a single peer with an old
 * piece of the chain is no majority (H52).
 */
export class StartHeightSearch {
  #stage: 'lowest' | 'heads' = 'lowest'
  #underWay = 0
  #askedAt = 0
  #round = 0
  readonly #asked = new Set<SyncPeerState>()
  readonly #found: Root[] = []

  /** @param headsLeft how much longer to wait for head requests in flight, ms */
  constructor(private readonly context: SyncContext, private readonly headsLeft: () => number) {}

  /** The root, `none` if no peer has a block, `undefined` while undecided. Sends the next requests. */
  pump(): Root | 'none' | undefined {
    const late = this.context.now() - this.#askedAt >= this.context.config.lateAfter
    if (this.#found.length > 0 && (this.#underWay === 0 || late)) {
      const best = this.#best()
      if (best !== undefined) return best
    }
    if (this.#underWay > 0) {
      if (!late) this.context.wake(this.#askedAt + this.context.config.lateAfter - this.context.now())
      if (!late || this.#asked.size >= 2 * PEERS) return undefined
    }
    if (this.#ask() || this.#underWay > 0) return undefined
    const patience = this.headsLeft()
    if (patience > 0) { this.context.wake(patience); return undefined }
    if (this.#stage === 'heads') return this.#leading() ?? 'none'
    this.#stage = 'heads'
    this.#asked.clear()
    return this.#ask() ? undefined : this.#leading() ?? 'none'
  }

  #ask(): boolean {
    const before = this.#asked.size
    const now = this.context.now()
    for (let some = 0; some < PEERS; some++) {
      const chosen = this.context.book.choose('commitments', now, state => {
        return !this.#asked.has(state) && !state.discounted && (this.#stage === 'lowest' || (state.head?.blockNumber ?? 0n) > 0n)
      })
      if (chosen === undefined || 'readyAt' in chosen) break
      this.#request(chosen)
    }
    if (this.#asked.size > before) this.#askedAt = now
    return this.#asked.size > before
  }

  #request(state: SyncPeerState): void {
    const { pageSize } = this.context.config
    const head = state.head?.blockNumber ?? 0n
    const start = this.#stage === 'lowest' || head < BigInt(pageSize) ? 0n : head - BigInt(pageSize) + 1n
    this.#asked.add(state)
    this.#underWay++
    const round = this.#round
    this.context.request(state, 'commitments', pageRequest(start, pageSize), answer => {
      if (round !== this.#round) return
      this.#underWay--
      if (!answer.ok) return
      const check = checkPage(answer.body, { start, count: pageSize, anywhere: true })
      if (check.ok) {
        if (check.page.count > 0) this.#found.push({ page: check.page, peer: state })
        return
      }
      state.discounted = true
      this.context.fault(state.peer, check.fault.reason, check.fault.detail, 'proved')
    })
  }

  /** The lowest beginning that most of the asked peers with a head or a block can serve. */
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

  /** Without a majority: the beginning that leads to the highest head. */
  #leading(): Root | undefined {
    return this.#found.reduce<Root | undefined>((best, each) => best === undefined || topOf(each) > topOf(best) ? each : best, undefined)
  }

  /** Number of peers that can serve this height, by what they delivered and announced. */
  #servers(height: bigint): number {
    return new Set(this.#found.filter(each => each.page.start <= height && topOf(each) >= height).map(({ peer }) => peer)).size
  }

  /** Ignores answers still in flight. */
  stop(): void { this.#round++ }
}

/** The top of a peer's chain. If a peer that announces zeros fills a whole page, there may be more. */
function topOf({ page, peer: { head, blind } }: Root): bigint {
  const top = page.next - 1n
  if (blind && page.count >= MAX_COMMITMENTS) return HIGHEST_HEAD
  return head !== undefined && head.blockNumber > top ? head.blockNumber : top
}
