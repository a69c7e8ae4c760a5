/**
 * SPEC §6 and §7 as a program, to be read beside them: one node, one thread, no disk, no waiting. It knows nothing of src/actors/; the driver
 * (world.ts, commands.ts) gives the same history to both and compares them after every step.
 *
 * How to read it, from the outside in:
 * - `arrive` is the verdict table of §6, one line a row; what it lets through goes to `place`.
 * - `place`, `offer` and `promote` are "the first that links … a later window supersedes"; `link` says how a commitment stands to the chain.
 * - `demote` is the one way to demote (§7), with its bound; `confirm`, `rewind` and `reinstate` are the application's decisions.
 * - `sign` and `see` are what we signed.
 * - `kill` is a crash: what lasts is in `Lasting`, all else is gone. While the disk fails, what lasts is what `freeze` has copied.
 *
 * Hashes, signers and txlists are texts that the driver has chosen; times are seconds; a window is the second at which it ends.
 */

/** A signed commitment as its bytes say it (§3). `bare`: a hand-over without a block. */
export interface Commitment {
  readonly id: string
  readonly parent: string
  readonly number: bigint
  readonly window: bigint
  readonly signer: string
  readonly eop: boolean
  readonly bare: boolean
  readonly txList: string
  /** What the application's rules say of it, where they refuse it. */
  readonly refused: boolean
}

export type Standing = 'canonical' | 'pending' | 'demoted'
export interface Kept extends Commitment { standing: Standing; barred: boolean; gap: boolean; nextSince: number | undefined; readonly order: number }
export interface Tip { readonly number: bigint; readonly id?: string | undefined }
export type Verdict = 'accept' | 'ignore' | 'held'
/** What is said of one that came; while it is `held`, it may still become another. */
export interface Answer { verdict: Verdict }
interface Held { readonly commitment: Commitment; readonly peer: string; readonly since: number; readonly answer: Answer }

/** Bounds and times (§6, §7). */
export interface Bounds {
  readonly maxReorgDepth: number; readonly maxPending: number; readonly maxHeld: number; readonly maxHeldPerPeer: number
  readonly holdFor: number; readonly verdictWithin: number; readonly handoverWait: number; readonly windowHorizon: number
}

/** What outlives a crash. */
class Lasting {
  /** By hash, in the order of arrival. */
  readonly kept = new Map<string, Kept>()
  /** The canonical block of each height. */
  readonly blocks = new Map<bigint, Kept>()
  /** Second commitments of the same signer, window and height: evidence. */
  readonly rivals = new Map<string, Commitment>()
  readonly txLists = new Set<string>()
  /** All that bears a key, as far as we have seen it (§7, What we signed). */
  readonly signed = new Map<string, Commitment>()
  tip: Tip | undefined
  /** What the first block stands on: the tip, or whatever the root stood on. */
  anchor: (Tip & { readonly isTip: boolean }) | undefined
  /** The highest head since the application's last decision. */
  mark = 0n
  override: { readonly number: bigint; readonly window: bigint } | undefined
  order = 0
}

const LAST_HEIGHT = 2n ** 64n - 2n
/** The height of what follows: a hand-over without a block occupies none. */
const after = ({ number, bare }: Commitment): bigint => bare ? number : number + 1n
const sameTurn = (a: Commitment, b: Commitment): boolean => a.signer === b.signer && a.window === b.window

export class Model {
  now = new Lasting()
  /** What is on disk, while that fails; else the same as `now`. */
  #disk: Lasting | undefined
  /** Waits for its schedule: unknown, or too far in the future. */
  held: Held[] = []
  /** Wall time, and time that nobody sets back. */
  wall: number
  uptime = 0
  /** Heights below are no longer kept: the driver says so, when what is kept has reached its bound. */
  lowest = 0n

  constructor(readonly bounds: Bounds, wall: number, readonly elected: (window: bigint) => string | undefined, readonly ours: ReadonlySet<string>, tip?: Tip) {
    this.wall = wall
    if (tip !== undefined) this.confirm(tip)
  }

  // ---- §6: the verdict

  arrive(commitment: Commitment, peer: string): Answer {
    const answer: Answer = { verdict: this.#judge(commitment) }
    if (answer.verdict !== 'held') return answer
    if (this.held.some(each => each.commitment.id === commitment.id)) return { verdict: 'ignore' }
    this.held.push({ commitment, peer, since: this.uptime, answer })
    const mine = this.held.filter(each => each.peer === peer)
    if (mine.length > this.bounds.maxHeldPerPeer) this.#letGo(mine[0]!)
    if (this.held.length > this.bounds.maxHeld) this.#letGo(this.held[0]!)
    return answer
  }

  #judge(commitment: Commitment): Verdict {
    const { kept, tip, rivals } = this.now
    const { id, number, window, signer, parent } = commitment
    const all = [...kept.values()]
    if (number > LAST_HEIGHT) return 'ignore'
    this.see(commitment)
    if (tip !== undefined && number <= tip.number) return 'ignore'
    if (kept.has(id)) return 'ignore'
    const elected = this.isFar(window) ? undefined : this.elected(window)
    if (elected === undefined) return 'held'
    if (elected !== signer) return 'ignore'
    if (!commitment.bare && all.some(each => sameTurn(each, commitment) && !each.bare && each.number === number)) {
      rivals.set(id, commitment)
      return 'ignore'
    }
    if (!commitment.eop && all.some(each => each.eop && sameTurn(each, commitment) && number >= after(each))) return 'ignore'
    if (this.link(commitment) === 'misnumbered') return 'ignore'
    if (commitment.refused) return 'ignore'
    const rival = rivals.get(parent)
    if (rival !== undefined && window > rival.window) this.#follow(rival)
    this.#place(commitment)
    return 'accept'
  }

  isFar(window: bigint): boolean { return window > BigInt(Math.floor(this.wall) + this.bounds.windowHorizon) }

  #letGo(held: Held): void {
    this.held.splice(this.held.indexOf(held), 1)
    held.answer.verdict = 'ignore'
  }

  /** The schedule says more than before, or another thing: what is held is judged anew. */
  scheduleChanged(): void {
    for (const each of this.held.splice(0)) {
      const verdict = this.#judge(each.commitment)
      if (verdict === 'held') this.held.push(each)
      else if (each.answer.verdict === 'held') each.answer.verdict = verdict
    }
  }

  pass(seconds: number): void {
    this.uptime += seconds
    this.wall += seconds
    for (const each of [...this.held]) {
      if (this.uptime - each.since >= this.bounds.holdFor) this.#letGo(each)
      else if (this.uptime - each.since >= this.bounds.verdictWithin) each.answer.verdict = 'ignore'
    }
    this.scheduleChanged()
    this.#trust(child => this.uptime - child.nextSince! >= this.bounds.handoverWait)
  }

  // ---- §7: the chain

  /** How a commitment stands to the canonical chain by its parent, which is found by hash. */
  link({ parent: id, number, gap = false }: Commitment & { gap?: boolean }): 'linked' | 'aside' | 'waits' | 'unknown' | 'misnumbered' {
    const { kept, anchor, tip, blocks } = this.now
    const found = kept.get(id)
    const parent = found !== undefined && (found.standing === 'canonical' || tip === undefined || found.number > tip.number) ? found : undefined
    const isFirst = anchor !== undefined && number === anchor.number + 1n
    const onAnchor = isFirst && (anchor.id === undefined || anchor.id === id)
    if (parent !== undefined) {
      if (number !== after(parent)) return 'misnumbered'
      return parent.standing === 'canonical' || onAnchor ? 'linked' : parent.standing === 'pending' ? 'waits' : 'aside'
    }
    if (anchor?.isTip === true && anchor.id === id && !isFirst) return 'misnumbered'
    return onAnchor || (gap && (isFirst || blocks.has(number - 1n))) ? 'linked' : 'unknown'
  }

  /** The highest canonical block reached without a gap from the anchor. */
  get head(): Kept | undefined { return headOf(this.now) }

  #place(commitment: Commitment): void {
    const { now } = this
    now.anchor ??= { number: commitment.number - 1n, id: commitment.parent, isTip: false }
    const kept: Kept = { ...commitment, standing: 'pending', barred: false, gap: false, nextSince: undefined, order: now.order++ }
    now.kept.set(kept.id, kept)
    // Its children could not be judged without it: those whose number does not follow are out.
    for (const child of this.#childrenOf(kept)) {
      if (child.number !== after(kept) && (child.standing !== 'canonical' || this.demote(child.number))) now.kept.delete(child.id)
    }
    const link = this.link(kept)
    if (link === 'linked') this.#offer([kept])
    else if (link === 'aside') this.#setAside(kept)
    // A block that was adopted without its parent, which is here now and not on the chain.
    for (const child of this.#childrenOf(kept)) {
      if (child.standing === 'canonical' && child.gap && this.link(child) !== 'linked' && this.demote(child.number)) this.#offerOnHead()
    }
    this.#keepBounds()
  }

  /** Candidates whose parents are canonical, and what waits for them: hand-overs first, then the latest window of each height. */
  #offer(candidates: readonly Kept[]): void {
    for (let group = [...candidates]; group.length > 0;) {
      const bare = group.filter(each => each.bare)
      const rest = group.filter(each => !each.bare).sort((a, b) => compare(a.number, b.number) || compare(b.window, a.window) || a.order - b.order)
      group = bare.length > 0 ? rest : []
      for (const each of bare.length > 0 ? bare : rest) {
        if (this.#promote(each)) group.push(...this.#childrenOf(each).filter(child => child.standing !== 'canonical' && !child.barred && this.link(child) === 'linked'))
      }
    }
  }

  #promote(candidate: Kept): boolean {
    const present = candidate.bare ? undefined : this.now.blocks.get(candidate.number)
    if (candidate.barred) return false
    if (present !== undefined && (candidate.window <= present.window || !this.demote(candidate.number))) return this.#setAside(candidate)
    this.#makeCanonical(candidate)
    return true
  }

  #makeCanonical(block: Kept): void {
    block.standing = 'canonical'
    block.nextSince = undefined
    if (!block.bare) this.now.blocks.set(block.number, block)
    this.#raiseMark()
  }

  #raiseMark(): void { if (this.head !== undefined && this.head.number > this.now.mark) this.now.mark = this.head.number }

  /** It is known and not canonical, and so are those that waited for it. */
  #setAside(kept: Kept): false {
    kept.standing = 'demoted'
    for (const child of this.#childrenOf(kept)) if (child.standing === 'pending') this.#setAside(child)
    return false
  }

  /** The one way to demote: the block at `from`, and all above it. False where that is too deep, which changes nothing (`deepReorg`). */
  demote(from: bigint, by: 'network' | 'application' = 'network', handovers: 'stay' | 'go' = 'stay'): boolean {
    const { now } = this
    const { mark, tip, kept, blocks } = now
    if (by === 'network' && ((tip !== undefined && from <= tip.number) || mark - from >= BigInt(this.bounds.maxReorgDepth))) return false
    for (const each of kept.values()) {
      if (each.standing !== 'canonical' || each.number < from || (each.number === from && each.bare && handovers === 'stay')) continue
      each.standing = 'demoted'
      each.gap = false
      each.barred = by === 'application'
      if (!each.bare) blocks.delete(each.number)
    }
    return true
  }

  /** A rival on which a later window's elected signer has built. */
  #follow(rival: Commitment): void {
    const present = this.now.blocks.get(rival.number)
    if (this.link(rival) !== 'linked' || present === undefined || !sameTurn(present, rival) || !this.demote(rival.number)) return
    this.now.rivals.delete(rival.id)
    this.#makeCanonical(this.#keep(rival))
  }

  #keep(commitment: Commitment): Kept {
    const kept: Kept = { ...commitment, standing: 'demoted', barred: false, gap: false, nextSince: undefined, order: this.now.order++ }
    this.now.kept.set(kept.id, kept)
    return kept
  }

  /** Blocks that link to a hand-over which nobody supplies: right above the head, of a later window. */
  #trust(isDue: (child: Kept) => boolean): void {
    const due = this.#waitForParent().filter(isDue).sort((a, b) => compare(b.window, a.window) || a.order - b.order)[0]
    if (due !== undefined) this.#takeOnWord(due)
  }

  /** So many peers could not supply this parent. */
  parentUnavailable(id: string, peers: number): void {
    if (peers >= 3) for (const child of this.#waitForParent()) if (child.parent === id) this.#takeOnWord(child)
  }

  #takeOnWord(child: Kept): void {
    child.gap = true
    if (this.link(child) === 'linked') this.#offer([child])
    this.#keepBounds()
  }

  /** What only its parent keeps from being the next block. */
  #waitForParent(): Kept[] {
    const { anchor, kept } = this.now
    const { head } = this
    const next = head?.number ?? anchor?.number
    return [...kept.values()].filter(each => each.standing === 'pending' && next !== undefined && each.number === next + 1n
      && !kept.has(each.parent) && this.link(each) === 'unknown' && (head === undefined || each.window > head.window))
  }

  /** At the end of a step. */
  settle(): void { for (const child of this.#waitForParent()) child.nextSince ??= this.uptime }

  #offerOnHead(): void { if (this.head !== undefined) this.#offer(this.#childrenOf(this.head).filter(child => !child.barred && this.link(child) === 'linked')) }

  #childrenOf({ id }: Commitment): Kept[] { return [...this.now.kept.values()].filter(({ parent }) => parent === id) }

  #keepBounds(): void {
    const pending = [...this.now.kept.values()].filter(({ standing }) => standing === 'pending')
    for (const oldest of pending.slice(0, Math.max(0, pending.length - this.bounds.maxPending))) this.now.kept.delete(oldest.id)
  }

  // ---- §7: the application decides. Each gives the code of its refusal, or `undefined`.

  confirm({ number, id }: Tip): string | undefined {
    const { now } = this
    const { tip, anchor, blocks, kept } = now
    if (number < 0n || number > LAST_HEIGHT) return 'height_out_of_range'
    if (tip !== undefined && number < tip.number) return 'tip_below_present'
    if (tip?.number === number && tip.id === id) return undefined
    const held = blocks.get(number)
    const named = id === undefined ? undefined : kept.get(id)
    const first = [...blocks.values()].filter(block => block.number > number).reduce<Kept | undefined>((a, b) => a === undefined || b.number < a.number ? b : a, undefined)
    const stays = held !== undefined ? id === undefined || held.id === id
      : first !== undefined ? first.number === number + 1n && (id === undefined || first.parent === id)
      : anchor?.number === number && (id === undefined || anchor.id === undefined || anchor.id === id)
    now.tip = { number, id }
    now.anchor = { number, id, isTip: true }
    if (!stays && first !== undefined && held === undefined && anchor?.isTip === false && anchor.number > number) {
      // What is ours hangs in the air: it waits for what is between.
      for (const each of kept.values()) if (each.standing === 'canonical') each.standing = 'pending'
      blocks.clear()
    } else if (!stays) {
      this.demote(held === undefined ? number + 1n : number, 'application', held === undefined ? 'go' : 'stay')
      if (named?.number === number && !named.bare) { named.barred = false; this.#makeCanonical(named); this.#offer(this.#childrenOf(named).filter(child => !child.barred && this.link(child) === 'linked')) }
    }
    for (const each of kept.values()) if (each.number <= number && each.standing === 'pending') kept.delete(each.id)
    this.#offer([...kept.values()].filter(each => each.standing === 'pending' && this.link(each) === 'linked'))
    if (!stays && held !== undefined) now.mark = this.head?.number ?? 0n
    this.#raiseMark()
    return undefined
  }

  rewind(to: bigint): string | undefined {
    const { tip, anchor } = this.now
    if (to < 0n || to > LAST_HEIGHT) return 'height_out_of_range'
    if (tip !== undefined && to < tip.number) return 'below_confirmed_tip'
    if (anchor !== undefined && to < anchor.number) return 'below_anchor'
    if (this.head === undefined || to > this.head.number) return undefined
    this.demote(to + 1n, 'application', 'go')
    this.now.mark = this.head?.number ?? 0n
    return undefined
  }

  reinstate(id: string): string | undefined {
    const { kept, rivals, tip } = this.now
    const found = kept.get(id) ?? rivals.get(id)
    if (found === undefined) return 'unknown_block'
    if (tip !== undefined && found.number <= tip.number) return 'below_confirmed_tip'
    const block = kept.get(id)
    if (block?.standing === 'canonical') return undefined
    if (this.link(found) !== 'linked') return 'not_linked'
    const back = block ?? this.#keep(found)
    rivals.delete(id)
    if (!back.bare && this.now.blocks.has(back.number)) this.demote(back.number, 'application')
    back.barred = false
    this.#makeCanonical(back)
    this.#offer(this.#childrenOf(back).filter(child => child.standing !== 'canonical' && !child.barred && this.link(child) === 'linked'))
    this.now.mark = this.head?.number ?? 0n
    return undefined
  }

  // ---- §7: what we signed

  /** Whatever bears our key counts, whoever sent it. */
  see(commitment: Commitment): void { if (this.ours.has(commitment.signer)) this.now.signed.set(commitment.id, commitment) }

  /** Signs it, unless that would conflict: another for the same window, height and kind, or either side of an end of our turn. */
  sign(commitment: Commitment): string | undefined {
    const { id, number, eop, bare } = commitment
    for (const each of this.now.signed.values()) {
      if (!sameTurn(each, commitment) || each.id === id) continue
      if (each.bare === bare && each.number === number) return 'conflicting_commitment'
      if (!eop && each.eop && number >= after(each)) return 'after_own_eop'
      if (eop && !each.eop && each.number >= after(commitment)) return 'eop_below_own_block'
    }
    this.see(commitment)
    return undefined
  }

  // ---- §7: what is shown, and what a crash leaves

  /** As of the last write that is on disk. */
  get durable(): Lasting { return this.#disk ?? this.now }

  /** From here on the disk takes nothing. */
  freeze(): void { this.#disk ??= copy(this.now) }
  thaw(): void { this.#disk = undefined }

  /** The room that judges starts anew, from what is on disk. */
  restart(): void {
    this.now = this.durable
    this.#disk = undefined
    this.held = []
  }

  /** What is served: of each height its hand-overs, then its block. */
  page(start: bigint, max: number): string[] {
    return canonicalOf(this.durable).filter(({ number }) => number >= start && number < start + BigInt(max)).slice(0, max).map(({ id }) => id)
  }
}

/** Canonical commitments in the order in which they are served. */
export function canonicalOf({ kept }: Lasting): Kept[] {
  return [...kept.values()].filter(({ standing }) => standing === 'canonical')
    .sort((a, b) => compare(a.number, b.number) || Number(b.bare) - Number(a.bare) || compare(a.window, b.window) || (a.id < b.id ? -1 : 1))
}

export function headOf({ anchor, blocks }: Lasting): Kept | undefined {
  if (anchor === undefined) return undefined
  let head = blocks.get(anchor.number)
  for (let next = blocks.get(anchor.number + 1n); next !== undefined; next = blocks.get(next.number + 1n)) head = next
  return head
}

const compare = (a: bigint, b: bigint): number => a < b ? -1 : a > b ? 1 : 0

function copy(lasting: Lasting): Lasting {
  const copied = Object.assign(new Lasting(), { tip: lasting.tip, anchor: lasting.anchor, mark: lasting.mark, override: lasting.override, order: lasting.order })
  for (const [id, each] of lasting.kept) copied.kept.set(id, { ...each })
  for (const block of lasting.blocks.values()) copied.blocks.set(block.number, copied.kept.get(block.id)!)
  for (const [id, each] of lasting.rivals) copied.rivals.set(id, each)
  for (const [id, each] of lasting.signed) copied.signed.set(id, each)
  for (const each of lasting.txLists) copied.txLists.add(each)
  return copied
}
