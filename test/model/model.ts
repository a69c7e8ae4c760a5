/**
 * SPEC §6 and §7 as a program, to be read beside them: one node, one thread, no disk, no waiting. It shares nothing with src/actors/. The driver
 * (session.ts, commands.ts) gives the same history to this and to the real chain, store and stream, and compares them after every step.
 *
 * How to read it, from the outside in:
 * - `#judge` is the verdict table of §6, one line a row; what it lets through goes to `#place`.
 * - `link` says how a commitment stands to the canonical chain; `#offer` and `#promote` are "the first that links; a later window supersedes".
 * - `demote` is the one way to demote (§7), with its bound. `confirm`, `rewind` and `reinstate` are the application's decisions, which have none.
 * - `see` and `sign` are what we signed.
 * - `Lasting` is what outlives a crash; `restart` is one. While the disk fails, what lasts is what `freeze` has copied.
 *
 * Hashes, signers and txlists are texts of the driver's choosing; times are seconds; a window is the second at which it ends.
 */

/** A signed commitment as its bytes say it (§3). */
export interface Commitment {
  readonly id: string; readonly parent: string; readonly number: bigint; readonly window: bigint; readonly signer: string; readonly eop: boolean
  /** A hand-over without a block: occupies no height. */
  readonly bare: boolean
  readonly txList: string
  /** Whether the application's rules refuse it. */
  readonly refused: boolean
}

/** `demoted`: beside the chain. `retired`: demoted by the application, and returns only if that names it. */
export type Standing = 'canonical' | 'pending' | 'demoted' | 'retired'
/** `gap`: adopted without its parent, on its signer's word. `nextSince`: since when only its missing parent keeps it from the head. */
export interface Kept extends Commitment { standing: Standing; gap: boolean; nextSince: number | undefined; readonly order: number }
export interface Tip { readonly number: bigint; readonly id: string | undefined }
export type Verdict = 'accept' | 'ignore' | 'held'
/** What is said of one that came; while it is `held`, it may still become another. */
export interface Answer { verdict: Verdict }
interface Held { readonly commitment: Commitment; readonly peer: string; readonly since: number; readonly answer: Answer }

export interface Bounds {
  readonly maxReorgDepth: number; readonly maxPending: number; readonly maxHeld: number; readonly maxHeldPerPeer: number
  readonly holdFor: number; readonly verdictWithin: number; readonly handoverWait: number; readonly windowHorizon: number
}

const LAST_HEIGHT = 2n ** 64n - 2n
const next = ({ number, bare }: Commitment): bigint => bare ? number : number + 1n
const sameTurn = (a: Commitment, b: Commitment): boolean => a.signer === b.signer && a.window === b.window
const sameSlot = (a: Commitment, b: Commitment): boolean => !a.bare && !b.bare && a.number === b.number && sameTurn(a, b)
const compare = (a: bigint, b: bigint): number => a < b ? -1 : a > b ? 1 : 0

export class Lasting {
  /** By hash, in the order of arrival. */
  readonly kept = new Map<string, Kept>()
  /** What convicts its signer: the second of the same window and height (a rival), blocks after the end of a turn, wrong numbers. */
  readonly evidence = new Map<string, Commitment>()
  readonly txLists = new Set<string>()
  /** All that we have seen of our keys (§7, What we signed). */
  readonly signed = new Map<string, Commitment>()
  tip: Tip | undefined
  /** What the first block stands on: the tip, or whatever the root stood on. */
  anchor: (Tip & { readonly isTip: boolean }) | undefined
  /** The highest head since the application's last decision. */
  mark = 0n
  override: { readonly number: bigint; readonly window: bigint } | undefined
  order = 0

  /** In the order in which they are served: of each height its hand-overs, then its block. */
  get canonical(): Kept[] {
    return [...this.kept.values()].filter(({ standing }) => standing === 'canonical')
      .sort((a, b) => compare(a.number, b.number) || Number(b.bare) - Number(a.bare) || compare(a.window, b.window) || (a.id < b.id ? -1 : 1))
  }

  blockAt(height: bigint): Kept | undefined { return this.canonical.find(({ bare, number }) => !bare && number === height) }

  /** The highest canonical block reached without a gap from the anchor. */
  get head(): Kept | undefined {
    let head: Kept | undefined
    for (const block of this.canonical) if (!block.bare && this.anchor !== undefined && block.number === (head?.number ?? (block.number === this.anchor.number ? block.number - 1n : this.anchor.number)) + 1n) head = block
    return head
  }

  /** Txlists that are fetched: those of canonical blocks that are not here. */
  get wants(): string[] { return this.canonical.filter(({ bare, txList }) => !bare && !this.txLists.has(txList)).map(({ txList }) => txList) }

  copy(): Lasting {
    const copy = Object.assign(new Lasting(), { tip: this.tip, anchor: this.anchor, mark: this.mark, override: this.override, order: this.order })
    for (const [id, each] of this.kept) copy.kept.set(id, { ...each })
    for (const name of ['evidence', 'signed'] as const) for (const [id, each] of this[name]) copy[name].set(id, each)
    for (const each of this.txLists) copy.txLists.add(each)
    return copy
  }
}

export class Model {
  now = new Lasting()
  #disk: Lasting | undefined
  /** Wait for their schedule: it is unknown, or their window too far in the future. */
  held: Held[] = []
  /** Rivals seen since the last start. */
  #seen = new Set<string>()
  /** To be looked at again after a change: adopted without a parent that turns out to be beside the chain; rivals whose parent is on it now. */
  readonly #refuted = new Set<Kept>()
  readonly #linked = new Set<Commitment>()
  /** Seconds since the start, which nobody sets back. */
  uptime = 0

  constructor(
    readonly bounds: Bounds, /** Seconds. */ public wall: number, /** `undefined`: not known yet. */ readonly elected: (window: bigint) => string | undefined,
    readonly ours: ReadonlySet<string>, tip?: Tip,
  ) { if (tip !== undefined) this.confirm(tip) }

  get head(): Kept | undefined { return this.now.head }
  /** What `get_head` is answered: what the application says, or the head; zeros where there is none. */
  get servedHead(): { readonly number: bigint; readonly window: bigint } {
    const { number, window } = this.now.override ?? this.durable.head ?? { number: 0n, window: 0n }
    return { number, window }
  }

  /** As of the last write that is on disk. */
  get durable(): Lasting { return this.#disk ?? this.now }

  // ---- §6: the verdict

  arrive(commitment: Commitment, peer: string): Answer {
    const answer: Answer = { verdict: this.#judge(commitment) }
    if (answer.verdict !== 'held') return answer
    if (this.held.some(each => each.commitment.id === commitment.id)) return { verdict: 'ignore' }
    this.held.push({ commitment, peer, since: this.uptime, answer })
    const share = this.held.filter(each => each.peer === peer)
    if (share.length > this.bounds.maxHeldPerPeer) this.#letGo(share[0]!)
    if (this.held.length > this.bounds.maxHeld) this.#letGo(this.held[0]!)
    return answer
  }

  #judge(commitment: Commitment): Verdict {
    const { kept, tip } = this.now
    const { number, window, signer, eop } = commitment
    const all = [...kept.values()]
    this.see(commitment)
    if (number > LAST_HEIGHT) return 'ignore'
    if (tip !== undefined && number <= tip.number) return 'ignore'
    if (kept.has(commitment.id) || this.#seen.has(commitment.id)) return 'ignore'
    const elected = this.isFar(window) ? undefined : this.elected(window)
    if (elected === undefined) return 'held'
    if (elected !== signer) return 'ignore'
    const first = all.find(each => sameSlot(each, commitment) && each.standing !== 'retired') ?? all.find(each => sameSlot(each, commitment))
    if (first !== undefined) this.#convict(first, commitment)
    if (first !== undefined && first.standing !== 'retired') {
      this.#seen.add(commitment.id)
      this.#childrenAreJudged(commitment)
      this.#followAny(commitment)
      this.#afterwards()
      return 'ignore'
    }
    const end = eop ? undefined : all.find(each => each.eop && sameTurn(each, commitment) && number >= next(each))
    const parent = this.link(commitment) === 'misnumbered' ? this.#known(commitment.parent) ?? commitment : undefined
    if (end !== undefined || parent !== undefined) {
      this.#convict((end ?? parent)!, commitment)
      return 'ignore'
    }
    if (commitment.refused) return 'ignore'
    this.#place(commitment)
    // The end of a turn that comes late convicts those who came before it, which stay.
    if (eop) for (const each of kept.values()) if (!each.eop && sameTurn(each, commitment) && each.number >= next(commitment)) this.#convict(each, commitment)
    return 'accept'
  }

  #convict(...both: readonly Commitment[]): void { for (const each of both) this.now.evidence.set(each.id, each) }

  isFar(window: bigint): boolean { return window > BigInt(Math.floor(this.wall) + this.bounds.windowHorizon) }

  #letGo(held: Held): void {
    this.held.splice(this.held.indexOf(held), 1)
    held.answer.verdict = 'ignore'
  }

  /** What is held is judged anew: the schedule says more than before, or another thing. */
  scheduleChanged(): void {
    for (const each of this.held.splice(0)) {
      const { commitment, answer } = each
      if (this.isFar(commitment.window) || this.elected(commitment.window) === undefined) this.held.push(each)
      else {
        const verdict = this.#judge(commitment)
        if (answer.verdict === 'held') answer.verdict = verdict
      }
    }
  }

  pass(seconds: number): void {
    for (let left = seconds; left > 0; left--) {
      for (const child of this.#lackParent()) child.nextSince ??= this.uptime
      this.uptime++
      this.wall++
      for (const each of [...this.held]) {
        if (this.uptime - each.since >= this.bounds.holdFor) this.#letGo(each)
        else if (this.uptime - each.since >= this.bounds.verdictWithin) each.answer.verdict = 'ignore'
      }
      this.scheduleChanged()
      const due = this.#lackParent().filter(({ nextSince }) => nextSince !== undefined && this.uptime - nextSince >= this.bounds.handoverWait)
      const [latest] = due.sort((a, b) => compare(b.window, a.window) || a.order - b.order)
      if (latest !== undefined) this.#adoptWithoutParent(latest)
    }
  }

  // ---- §6, EOP: a block that links to a hand-over which nobody supplies is adopted on its signer's word

  /** What only its parent keeps from being the next block; of a later window, since its parent must be a hand-over. */
  #lackParent(): Kept[] {
    const { head, now: { anchor, kept } } = this
    const top = head?.number ?? anchor?.number
    return [...kept.values()].filter(each => each.standing === 'pending' && !each.bare && top !== undefined && each.number === top + 1n
      && this.#known(each.parent) === undefined && this.link(each) === 'unknown' && (head === undefined || each.window > head.window))
  }

  parentUnavailable(id: string, peers: number): void {
    if (peers >= 3) for (const child of this.#lackParent()) if (child.parent === id && this.#lackParent().includes(child)) this.#adoptWithoutParent(child)
  }

  #adoptWithoutParent(child: Kept): void {
    child.gap = true
    if (this.link(child) === 'linked') this.#offer([child])
    this.#afterwards()
  }

  // ---- §7: the canonical chain

  /** How a commitment stands to the canonical chain by its parent, which is found by hash. */
  link(commitment: Commitment): 'linked' | 'beside' | 'waits' | 'unknown' | 'misnumbered' {
    const { anchor } = this.now
    const { parent: id, number } = commitment
    const isFirst = anchor !== undefined && number === anchor.number + 1n
    const onAnchor = isFirst && (anchor.id === undefined || anchor.id === id)
    const parent = this.#known(id)
    if (parent !== undefined) {
      if (number !== next(parent)) return 'misnumbered'
      if (parent.standing === 'canonical' || onAnchor) return 'linked'
      return parent.standing === 'pending' || parent.standing === 'rival' ? 'waits' : 'beside'
    }
    if (onAnchor) return 'linked'
    if (anchor?.isTip === true && anchor.id === id) return 'misnumbered'
    const gap = (commitment as Partial<Kept>).gap === true
    return gap && (isFirst || this.now.blockAt(number - 1n) !== undefined) ? 'linked' : 'unknown'
  }

  /** What can be a parent: what is kept, or a rival. */
  #known(id: string): (Commitment & { readonly standing: Standing | 'rival' }) | undefined {
    const { kept, evidence } = this.now
    const rival = this.#seen.has(id) ? evidence.get(id) : undefined
    return kept.get(id) ?? (rival && { ...rival, standing: 'rival' })
  }

  #place(commitment: Commitment): void {
    const { now } = this
    now.anchor ??= { number: commitment.number - 1n, id: commitment.parent, isTip: false }
    const kept = this.#keep(commitment)
    this.#childrenAreJudged(kept)
    const link = this.link(kept)
    if (link === 'linked') this.#offer([kept])
    else if (link === 'beside') this.#setAside(kept)
    else if (link === 'waits') this.#follow(kept)
    this.#afterwards()
  }

  #keep(commitment: Commitment): Kept {
    const kept: Kept = { ...commitment, standing: 'pending', gap: false, nextSince: undefined, order: this.now.order++ }
    this.#seen.delete(kept.id)
    this.now.kept.set(kept.id, kept)
    return kept
  }

  /** A parent has come: children whose number does not follow are out, within the bound; those adopted without it are looked at again. */
  #childrenAreJudged(parent: Commitment): void {
    for (const child of this.#childrenOf(parent)) {
      if (child.number === next(parent)) { if (child.standing === 'canonical' && child.gap) this.#refuted.add(child) }
      else {
        this.#convict(parent, child)
        if (child.standing !== 'canonical' || this.demote(child.number)) this.now.kept.delete(child.id)
      }
    }
  }

  /** Candidates whose parents are canonical, then what waits for them: hand-overs first, then the latest window of each height. */
  #offer(candidates: readonly Kept[]): void {
    for (let group = candidates; group.length > 0;) {
      const bare = group.some(each => each.bare) ? group.filter(each => each.bare) : undefined
      const rest = group.filter(each => !each.bare).sort((a, b) => compare(a.number, b.number) || compare(b.window, a.window) || a.order - b.order)
      group = (bare ?? rest).filter(each => this.#promote(each)).flatMap(each => this.#candidates(each)).concat(bare === undefined ? [] : rest)
    }
  }

  #candidates(parent: Kept): Kept[] {
    return this.#childrenOf(parent).filter(child => (child.standing === 'pending' || child.standing === 'demoted') && this.link(child) === 'linked')
  }

  #promote(candidate: Kept): boolean {
    const present = candidate.bare ? undefined : this.now.blockAt(candidate.number)
    if (candidate.standing === 'canonical' || candidate.standing === 'retired') return false
    if (candidate.refused) { this.now.kept.delete(candidate.id); return false }
    if (present !== undefined && (candidate.window <= present.window || !this.demote(candidate.number))) return this.#setAside(candidate)
    this.#makeCanonical(candidate)
    return true
  }

  #makeCanonical(block: Kept): void {
    block.standing = 'canonical'
    for (const rival of this.now.evidence.values()) if (this.#seen.has(rival.id) && rival.parent === block.id) this.#linked.add(rival)
    if (!block.bare && block.number > this.now.mark) this.now.mark = block.number
  }

  /** It is known and not canonical, and so are those that waited for it. */
  #setAside(kept: Kept): false {
    kept.standing = 'demoted'
    for (const child of this.#childrenOf(kept)) {
      if (child.standing === 'pending') this.#setAside(child)
      else if (child.standing === 'canonical' && child.gap) this.#refuted.add(child)
    }
    return false
  }

  /** The one way to demote: the block at `from` and what is above it. False where that is too deep: nothing changes (`deepReorg`). */
  demote(from: bigint, by: 'network' | 'application' = 'network', handoversAt: 'stay' | 'go' = 'stay', to: Standing = 'retired'): boolean {
    const { mark, tip, canonical } = this.now
    if (by === 'network' && ((tip !== undefined && from <= tip.number) || mark - from >= BigInt(this.bounds.maxReorgDepth))) return false
    for (const each of canonical) {
      if (each.number < from || (each.number === from && each.bare && handoversAt === 'stay')) continue
      each.standing = by === 'network' ? 'demoted' : to
      each.gap = false
    }
    return true
  }

  // ---- §7, A rival: followed once a later window's elected signer has built on it

  #followAny(rival: Commitment): void {
    const { kept, evidence } = this.now
    const all = [...kept.values(), ...[...evidence.values()].filter(({ id }) => this.#seen.has(id))]
    const built = (on: Commitment): Commitment[] => all.filter(each => each.parent === on.id && !['canonical', 'retired'].includes(kept.get(each.id)?.standing ?? 'rival')).flatMap(each => [each, ...built(each)])
    const [latest] = built(rival).filter(({ bare }) => !bare).sort((a, b) => compare(b.window, a.window))
    if (latest !== undefined) this.#follow(latest)
  }

  #follow(latest: Commitment): void {
    const path = [this.#known(latest.id)!]
    while (this.link(path[0]!) !== 'linked') {
      const parent = this.#known(path[0]!.parent)
      if (parent === undefined || parent.standing === 'canonical' || parent.standing === 'retired') return
      path.unshift(parent)
    }
    const [first] = path
    if (first?.standing !== 'rival' || path.some(({ refused }) => refused) || latest.bare || latest.window <= first.window) return
    // Later than all of ours, so that no two rivals take turns.
    if (this.now.canonical.some(({ bare, number, window }) => !bare && number >= first.number && window >= latest.window)) return
    if (this.now.blockAt(first.number) !== undefined && !this.demote(first.number)) return
    for (const each of path) if (each.standing === 'rival') this.#keep(each)
    this.#offer([this.now.kept.get(first.id)!])
  }

  // ---- bounds, and what follows from a change

  #afterwards(): void {
    for (const child of this.#refuted) {
      this.#refuted.delete(child)
      if (child.standing === 'canonical' && child.gap && this.link(child) === 'beside' && this.demote(child.number) && this.head !== undefined) this.#offer(this.#candidates(this.head))
    }
    for (const rival of this.#linked) {
      this.#linked.delete(rival)
      if (this.#seen.has(rival.id)) this.#followAny(rival)
    }
    const { pending } = this
    for (const oldest of pending.slice(0, Math.max(0, pending.length - this.bounds.maxPending))) this.now.kept.delete(oldest.id)
  }

  get pending(): Kept[] { return [...this.now.kept.values()].filter(({ standing }) => standing === 'pending') }
  #childrenOf({ id }: Commitment): Kept[] { return [...this.now.kept.values()].filter(({ parent }) => parent === id) }

  // ---- §7: the application decides. Each gives the code of its refusal, or `undefined`.

  confirm({ number, id }: Tip): string | undefined {
    const { now, head } = this
    const { tip, anchor, kept } = now
    if (number < 0n) return 'invalid_value'
    if (number > LAST_HEIGHT) return 'height_out_of_range'
    if (tip !== undefined && number < tip.number) return 'tip_below_present'
    if (tip?.number === number && tip.id === id) return undefined
    const isOurs = head !== undefined && anchor !== undefined && anchor.number < number && number <= head.number
    const ours = isOurs ? now.blockAt(number)?.id : anchor?.number === number ? anchor.id ?? this.#blockBelow(now.blockAt(number + 1n)) : ''
    const agrees = ours !== '' && (id === undefined || ours === undefined || ours === id)
    const replaced = agrees ? undefined : isOurs ? head : now.blockAt(number)?.id === id ? undefined : now.blockAt(number)
    if (!agrees) {
      // A chain that begins above the tip waits for what is between; any other is not the confirmed one.
      if (anchor?.isTip === false && anchor.number > number) this.demote(number + 1n, 'application', 'go', 'pending')
      else this.demote(replaced === undefined ? number + 1n : number, 'application', 'go')
    }
    now.tip = { number, id }
    now.anchor = { number, id, isTip: true }
    const found = id === undefined ? undefined : this.#known(id)
    if (!agrees && found?.number === number && !found.bare) {
      const named = kept.get(found.id) ?? this.#keep(found)
      this.#makeCanonical(named)
      this.#offer(this.#candidates(named))
    }
    for (const each of this.pending) if (each.number <= number) kept.delete(each.id)
    this.#offer(this.pending.filter(each => this.link(each) === 'linked'))
    this.#afterwards()
    if (replaced !== undefined) this.#decided()
    return undefined
  }

  /** The block that a block stands on: its parent, or what the hand-overs between them link to. */
  #blockBelow(block: Commitment | undefined): string | undefined {
    const parent = block === undefined ? undefined : this.now.kept.get(block.parent)
    return parent?.bare === true && parent.standing === 'canonical' ? this.#blockBelow(parent) : block?.parent
  }

  rewind(to: bigint): string | undefined {
    const { head, now: { tip, anchor } } = this
    if (to < 0n) return 'invalid_value'
    if (to > LAST_HEIGHT) return 'height_out_of_range'
    if (tip !== undefined && to < tip.number) return 'below_confirmed_tip'
    if (anchor !== undefined && to < anchor.number) return 'below_anchor'
    if (head === undefined || to > head.number) return undefined
    this.demote(to + 1n, 'application', 'go')
    // What stands beside the chain there does not come back instead.
    for (const each of this.now.kept.values()) if (each.number > to && each.standing === 'demoted') each.standing = 'retired'
    this.#decided()
    return undefined
  }

  reinstate(id: string): string | undefined {
    const { kept, evidence, tip } = this.now
    const found = kept.get(id) ?? evidence.get(id)
    if (found === undefined) return 'unknown_block'
    if (tip !== undefined && found.number <= tip.number) return 'below_confirmed_tip'
    if (kept.get(id)?.standing === 'canonical') return undefined
    if (this.link(found) !== 'linked') return 'not_linked'
    if (!found.bare) this.demote(found.number, 'application')
    const block = kept.get(id) ?? this.#keep(found)
    this.#makeCanonical(block)
    this.#offer(this.#candidates(block))
    this.#decided()
    return undefined
  }

  /** What was demoted by a decision bars no rival, and the bound counts anew. */
  #decided(): void {
    const { now } = this
    const free = [...now.evidence.values()].filter(rival => this.#seen.has(rival.id) && rival.number > (now.anchor?.number ?? -1n) && this.#known(rival.id) !== undefined && ![...now.kept.values()].some(each => sameSlot(each, rival) && each.standing !== 'retired'))
    const back = free.map(rival => this.#keep(rival))
    for (const each of back) if (each.standing === 'pending' && this.link(each) === 'linked') this.#offer([each])
    this.#afterwards()
    now.mark = this.head?.number ?? now.anchor?.number ?? 0n
  }

  /** A txlist whose hash is right, and whose sender has room (§6, Txlists). */
  takeTxList(hash: string): void { this.now.txLists.add(hash) }

  // ---- §7: what we signed

  /** Whatever bears our key counts, whoever sent it. */
  see(commitment: Commitment): void { if (this.ours.has(commitment.signer)) this.now.signed.set(commitment.id, commitment) }

  /** Signs it, unless it would be refused, or conflicts: another block of that window and height, or an end of our turn on either side. */
  sign(commitment: Commitment): 'signed' | 'refused' {
    const { now } = this
    const seen = new Set(this.#seen)
    // Nothing of a turn comes after its end.
    const conflicts = [...now.signed.values()].some(each => sameTurn(each, commitment) && each.id !== commitment.id
      && (sameSlot(each, commitment) || (each.eop && commitment.number >= next(each)) || (commitment.eop && each.number >= next(commitment))))
    this.now = now.copy()
    const fits = now.kept.has(commitment.id) || this.#judge(commitment) === 'accept'
    this.now = now
    this.#seen = seen
    if (conflicts || !fits) return 'refused'
    this.see(commitment)
    return 'signed'
  }

  // ---- §7: a crash, and a disk that fails

  /** From here on the disk takes nothing. */
  freeze(): void { this.#disk ??= this.now.copy() }
  thaw(): void { this.#disk = undefined }

  restart(): void {
    this.now = this.durable
    this.#disk = undefined
    this.held = []
    this.#seen = new Set()
    // In which order those came that wait is not kept.
    const kept = [...this.now.kept.values()].sort((a, b) => compare(a.number, b.number) || (a.id < b.id ? -1 : 1))
    this.now.kept.clear()
    for (const each of kept) this.now.kept.set(each.id, { ...each, nextSince: undefined })
  }
}
