import type { Judgement } from '../chain/ports.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { CheckedPage } from './page-check.js'

/** A stretch of the chain that one page can hold, and what has become of it. */
export interface Stretch {
  readonly start: bigint
  /** Inclusive. */
  readonly end: bigint
  state: 'wanted' | 'asked' | 'ready' | 'handed' | 'judged' | 'gone'
  /** Those who are being asked for it; more than one when the first is late. */
  readonly asking: Set<PeerKey>
  askedAt: number
  /** Those who were asked in vain since it was last filled. */
  readonly tried: Set<PeerKey>
  /** Those whose page for it chain did not take although nothing in it was invalid, with chain's reason. */
  readonly refused: Map<PeerKey, string>
  page: CheckedPage | undefined
  from: PeerKey | undefined
  ticket: number | undefined
  handedAt: number
  handOvers: number
  /** What chain said of each commitment of the page. */
  results: readonly Judgement[]
  /** It was judged before what it stands on. */
  early: boolean
  /** A page on its way to chain has what lies behind the gap here: what is left of this is asked for when chain has said where it stands. */
  readonly behindGap: boolean
}

/**
 * What a run has before it: the chain from the frontier on, cut into stretches without a gap. Everything below the frontier is taken.
 * Knows nothing of peers and time: it says what is wanted and in which order it may be handed on.
 */
export class Plan {
  #stretches: Stretch[] = []
  #frontier: bigint

  /** @param ahead stretches at most */
  constructor(frontier: bigint, private readonly pageSize: number, private readonly ahead: number) { this.#frontier = frontier }

  /** The lowest height that is not taken yet. */
  get frontier(): bigint { return this.#frontier }

  get stretches(): readonly Stretch[] { return this.#stretches }

  /** The height behind the last stretch. */
  get end(): bigint { return this.#stretches.at(-1)?.end === undefined ? this.#frontier : (this.#stretches.at(-1) as Stretch).end + 1n }

  /** Cuts what lies up to `to` (inclusive) into stretches, as far as there is room. The last one may reach beyond: heads move. */
  reach(to: bigint): void {
    while (this.#stretches.length < this.ahead && this.end <= to) {
      const start = this.end
      this.#stretches.push(stretch(start, start + BigInt(this.pageSize) - 1n))
    }
  }

  /** Takes back what lies above `to` and is not in hand yet. */
  shrink(to: bigint): void {
    for (let last = this.#stretches.at(-1); last !== undefined && last.start > to && last.state === 'wanted'; last = this.#stretches.at(-1)) {
      last.state = 'gone'
      this.#stretches.pop()
    }
  }

  * wanted(): IterableIterator<Stretch> {
    for (const each of this.#stretches) if (each.state === 'wanted') yield each
  }

  /** The next one that may be handed on: all before it are on their way, and it is there. */
  get next(): Stretch | undefined {
    for (const each of this.#stretches) {
      if (each.state === 'ready') return each
      if (each.state !== 'handed' && each.state !== 'judged') return undefined
    }
    return undefined
  }

  count(state: Stretch['state']): number {
    let count = 0
    for (const each of this.#stretches) if (each.state === state) count++
    return count
  }

  byTicket(ticket: number): Stretch | undefined { return this.#stretches.find(each => each.ticket === ticket) }

  /**
   * What a peer delivered for a stretch. Where it ends before the stretch does, the rest becomes one of its own, still wanted.
   * Gives false where there is nothing to use, or it is filled already.
   */
  fill(target: Stretch, page: CheckedPage, from: PeerKey): boolean {
    if (page.count === 0 || (target.state !== 'asked' && target.state !== 'wanted')) return false
    const at = this.#stretches.indexOf(target)
    if (at < 0) return false
    const filled: Stretch = { ...stretch(target.start, page.next - 1n), state: 'ready', page, from, tried: target.tried, refused: target.refused }
    const rest = page.next <= target.end ? [stretch(page.next, target.end, page.beyond.length > 0)] : []
    if (!page.full) for (const each of rest) each.tried.add(from)
    this.#stretches.splice(at, 1, filled, ...rest)
    target.state = 'gone'
    return true
  }

  /** It is wanted (again): nobody is asked for it, nothing is there. */
  want(target: Stretch): void {
    if (target.state === 'gone') return
    target.state = 'wanted'
    target.page = undefined
    target.from = undefined
    target.ticket = undefined
    target.asking.clear()
  }

  /** Chain has everything below `height`: stretches below it are done, one that it cuts begins there. Never moves back. */
  advance(height: bigint): void {
    if (height <= this.#frontier) return
    while (this.#stretches[0] !== undefined && this.#stretches[0].end < height) (this.#stretches.shift() as Stretch).state = 'gone'
    const first = this.#stretches[0]
    if (first !== undefined && first.start < height) {
      first.state = 'gone'
      // who lacked a lower height may have this one: stores of reference nodes have holes (H88)
      this.#stretches[0] = stretch(height, first.end)
    }
    this.#frontier = height
  }

  /** Removes a stretch that covers no height and is judged: hand-overs at the tip. */
  dropEmpty(target: Stretch): void {
    const at = this.#stretches.indexOf(target)
    if (at < 0 || target.end >= target.start) return
    target.state = 'gone'
    this.#stretches.splice(at, 1)
  }

  /** Nothing is under way any more. */
  clear(): void {
    for (const each of this.#stretches) each.state = 'gone'
    this.#stretches = []
  }
}

function stretch(start: bigint, end: bigint, behindGap = false): Stretch {
  return {
    start, end, state: 'wanted', asking: new Set(), askedAt: 0, tried: new Set(), refused: new Map(),
    page: undefined, from: undefined, ticket: undefined, handedAt: 0, handOvers: 0,
    results: [], early: false, behindGap,
  }
}
