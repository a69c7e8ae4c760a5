/**
 * SPEC §6 and §7 as a program, to be read beside them: one node, one thread, no disk, no waiting. It shares nothing with src/actors/. The driver
 * (session.ts, commands.ts) gives the same history to this and to the real chain, store and stream, and compares them after every step.
 *
 * How to read it, from the outside in: `#judge` is the verdict table of §6, one line a row; what it lets through goes to `#place`. `link` says how a
 * commitment stands to the canonical chain; `#offer` and `#promote` are "the first that links; a later window supersedes". `demote` is the one way to
 * demote, with its bound; `confirm`, `rewind` and `reinstate` are the application's decisions, which have none. `see` and `sign` are what we signed.
 * What it keeps is in state.ts: `Lasting` outlives a crash (`restart`); while the disk fails (`freeze`), its copy does.
 *
 * Hashes, signers and txlists are texts of the driver's choosing; times are seconds; a window is the second at which it ends.
 */
import { LAST_HEIGHT, Lasting, comesAfter, compare, next, sameSlot } from './state.js'
import type { Answer, Bounds, Commitment, Held, Kept, Standing, Tip } from './state.js'

export class Model {
  now = new Lasting()
  #disk: Lasting | undefined
  /** Wait for their schedule: it is not known, or their window too far in the future. */
  held: Held[] = []
  /** To be looked at after a change: adopted without a parent that has come; rivals whose parent is canonical now. */
  readonly #look = new Set<Kept>()
  /** Seconds since the start, which nobody sets back. */
  uptime = 0
  /** @param wall seconds @param elected `undefined`: not known yet */
  constructor(readonly bounds: Bounds, public wall: number, readonly elected: (window: bigint) => string | undefined, readonly ours: ReadonlySet<string>, tip?: Tip) {
    if (tip !== undefined) this.confirm(tip)
  }
  get pending(): Kept[] { return this.now.having('pending') }
  get head(): Kept | undefined { return this.now.head }
  /** As of the last write that is on disk. */
  get durable(): Lasting { return this.#disk ?? this.now }
  /** What `get_head` is answered: zeros where there is none. */
  get servedHead(): { readonly number: bigint; readonly window: bigint } {
    const { number, window } = this.now.override ?? this.durable.head ?? { number: 0n, window: 0n }
    return { number, window }
  }

  // ---- §6: the verdict
  arrive(commitment: Commitment, peer: string): Answer {
    const answer = { verdict: this.#judge(commitment) }
    if (answer.verdict !== 'held') return answer
    if (this.held.some(each => each.commitment.id === commitment.id)) return { verdict: 'ignore' }
    this.held.push({ commitment, peer, since: this.uptime, answer })
    const share = this.held.filter(each => each.peer === peer)
    if (share.length > this.bounds.maxHeldPerPeer) this.#letGo(share[0]!)
    if (this.held.length > this.bounds.maxHeld) this.#letGo(this.held[0]!)
    return answer
  }
  #letGo(held: Held): void {
    this.held = this.held.filter(each => each !== held)
    held.answer.verdict = 'ignore'
  }
  #judge(commitment: Commitment): Answer['verdict'] {
    const { kept, tip, others } = this.now
    this.see(commitment)
    if (commitment.number > LAST_HEIGHT) return 'ignore'
    if (tip !== undefined && commitment.number <= tip.number) return 'ignore'
    if (kept.has(commitment.id)) return 'ignore'
    if (!this.isKnown(commitment.window)) return 'held'
    if (this.elected(commitment.window) !== commitment.signer) return 'ignore'
    const first = others.filter(each => sameSlot(each, commitment)).sort((a, b) => Number(a.standing === 'retired') - Number(b.standing === 'retired'))[0]
    if (first !== undefined) this.#convict(first, commitment)
    if (first !== undefined && first.standing !== 'retired') return this.#rival(commitment)
    const against = commitment.eop ? undefined : others.find(end => comesAfter(commitment, end))
    if (against !== undefined || this.now.link(commitment) === 'misnumbered') {
      this.#convict(against ?? kept.get(commitment.parent) ?? commitment, commitment)
      return 'ignore'
    }
    if (commitment.refused) return 'ignore'
    this.#place(commitment)
    // The end of a turn that comes late convicts what came before it; that stays.
    if (commitment.eop) for (const each of kept.values()) if (!each.eop && comesAfter(each, commitment)) this.#convict(each, commitment)
    return 'accept'
  }
  #convict(...both: readonly Commitment[]): void { for (const each of both) this.now.evidence.set(each.id, each) }
  isFar(window: bigint): boolean { return window > BigInt(Math.floor(this.wall) + this.bounds.windowHorizon) }
  isKnown(window: bigint): boolean { return !this.isFar(window) && this.elected(window) !== undefined }

  /** What is held is judged anew, window by window: the schedule says more than before, or time has passed. */
  scheduleChanged(): void {
    const windows = [...new Set(this.held.map(({ commitment }) => commitment.window).filter(window => this.isKnown(window)))]
    for (const each of windows.flatMap(window => this.held.filter(({ commitment }) => commitment.window === window))) {
      this.held.splice(this.held.indexOf(each), 1)
      const verdict = this.#judge(each.commitment)
      if (each.answer.verdict === 'held') each.answer.verdict = verdict
    }
  }
  pass(seconds: number): void {
    for (let left = seconds; left > 0; left--) {
      for (const child of this.now.lackParent) child.nextSince ??= this.uptime
      this.uptime++
      this.wall++
      for (const each of [...this.held]) {
        if (this.uptime - each.since >= this.bounds.holdFor) this.#letGo(each)
        else if (this.uptime - each.since >= this.bounds.verdictWithin) each.answer.verdict = 'ignore'
      }
      this.scheduleChanged()
      for (let due = this.#due(); due !== undefined; due = this.#due()) this.#adoptWithoutParent(due)
    }
  }

  // ---- §6, EOP: a block that links to a hand-over which nobody supplies is adopted on its signer's word
  /** The latest window's that has lacked nothing else for long enough. */
  #due(): Kept | undefined {
    return this.now.lackParent.filter(({ nextSince }) => nextSince !== undefined && this.uptime - nextSince >= this.bounds.handoverWait)
      .sort((a, b) => compare(b.window, a.window) || a.order - b.order)[0]
  }
  parentUnavailable(id: string, peers: number): void {
    if (peers >= 3) for (const child of this.now.lackParent) if (child.parent === id && this.now.lackParent.includes(child)) this.#adoptWithoutParent(child)
  }
  #adoptWithoutParent(child: Kept): void {
    child.gap = true
    this.#offer([child])
    this.#afterwards()
  }
  // ---- §7: the canonical chain
  #keep(commitment: Commitment, standing: Standing): Kept {
    const kept: Kept = { ...commitment, standing, gap: false, ruledOut: false, nextSince: undefined, order: this.now.order++ }
    this.now.kept.delete(kept.id)
    this.now.kept.set(kept.id, kept)
    return kept
  }
  #place(commitment: Commitment): void {
    this.now.anchor ??= { number: commitment.number - 1n, id: commitment.parent, isTip: false }
    const kept = this.#keep(commitment, 'pending')
    this.#judgeChildren(kept)
    const link = this.now.link(kept)
    if (link === 'linked') this.#offer([kept])
    else if (link === 'beside') this.#setAside(kept)
    else if (link === 'waits') this.#follow(kept)
    this.#afterwards()
  }
  /** A parent has come: children whose number does not follow are out, within the bound; one adopted without it is looked at again. */
  #judgeChildren(parent: Kept): void {
    for (const child of this.now.childrenOf(parent)) {
      if (child.number === next(parent)) { if (child.gap) this.#look.add(child); continue }
      this.#convict(parent, child)
      if (child.standing !== 'canonical' || this.demote(child.number)) this.now.kept.delete(child.id)
    }
  }
  /** Candidates whose parents are canonical, then what waits for them: hand-overs first, then the latest window of each height. */
  #offer(candidates: readonly Kept[]): void {
    for (let group = candidates; group.length > 0;) {
      const handoverOnly = group.filter(each => each.handoverOnly)
      const rest = group.filter(each => !each.handoverOnly).sort((a, b) => compare(a.number, b.number) || compare(b.window, a.window) || a.order - b.order)
      const taken = handoverOnly.length > 0 ? handoverOnly : rest
      group = taken.filter(each => this.#promote(each)).flatMap(each => this.now.candidates(each)).concat(taken === handoverOnly ? rest : [])
    }
  }
  #promote(candidate: Kept): boolean {
    const present = candidate.handoverOnly ? undefined : this.now.blockAt(candidate.number)
    if (candidate.standing === 'canonical' || candidate.standing === 'retired') return false
    if (candidate.refused) return !this.now.kept.delete(candidate.id)
    if (present !== undefined && (candidate.window <= present.window || !this.demote(candidate.number))) return this.#setAside(candidate)
    this.#makeCanonical(candidate)
    return true
  }
  #makeCanonical(block: Kept): void {
    block.standing = 'canonical'
    for (const child of this.now.childrenOf(block)) if (child.standing === 'rival') this.#look.add(child)
    if (!block.handoverOnly && block.number > this.now.mark) this.now.mark = block.number
  }
  /** It is known and not canonical, and so are those that waited for it. */
  #setAside(kept: Kept): false {
    kept.standing = 'demoted'
    for (const child of this.now.childrenOf(kept)) if (child.standing === 'pending') this.#setAside(child); else if (child.gap) this.#look.add(child)
    return false
  }
  /** The one way to demote: the block at `from` and what is above it. False where that is too deep: nothing changes (`deepReorg`). */
  demote(from: bigint, by: 'network' | 'application' = 'network', handoversAt: 'stay' | 'go' = 'stay', to: Standing = 'retired'): boolean {
    const { mark, tip } = this.now
    if (by === 'network' && ((tip !== undefined && from <= tip.number) || mark - from >= BigInt(this.bounds.maxReorgDepth))) return false
    for (const each of this.now.having('canonical')) {
      if (each.number > from || (each.number === from && (!each.handoverOnly || handoversAt === 'go'))) Object.assign(each, { standing: by === 'network' ? 'demoted' : to, gap: false })
    }
    return true
  }
  #afterwards(): void {
    for (const each of this.#look) {
      this.#look.delete(each)
      if (this.now.kept.get(each.id) !== each) continue
      if (each.standing === 'rival') this.#follow(each)
      else if (each.standing === 'canonical' && each.gap && this.now.link(each) === 'beside' && this.demote(each.number) && this.head !== undefined) this.#offer(this.now.candidates(this.head))
    }
    for (const oldest of this.pending.slice(0, Math.max(0, this.pending.length - this.bounds.maxPending))) this.now.kept.delete(oldest.id)
  }

  // ---- §7: a rival is followed once a later window's elected signer has built on it
  #rival(commitment: Commitment): 'ignore' {
    const rival = this.#keep(commitment, 'rival')
    this.#judgeChildren(rival)
    this.#follow(rival)
    this.#afterwards()
    return 'ignore'
  }
  #follow(below: Kept): void {
    const latest = this.now.latestOn(below)
    const path = latest === undefined ? [] : this.now.pathTo(latest)
    const first = path[0]
    if (latest === undefined || first === undefined || first.standing !== 'rival' || latest.window <= first.window) return
    // Later than all of ours, so that no two rivals take turns.
    if (this.now.having('canonical').some(({ handoverOnly, number, window }) => !handoverOnly && number >= first.number && window >= latest.window)) return
    const rivals = path.filter(({ standing, window }) => standing === 'rival' && window < latest.window)
    const refused = rivals.find(each => each.refused)
    if (refused !== undefined) refused.ruledOut = true
    if (refused !== undefined || (this.now.blockAt(first.number) !== undefined && !this.demote(first.number))) return
    for (const each of rivals) this.#keep(each, 'pending')
    this.#offer([this.now.kept.get(first.id)!])
  }

  // ---- §7: the application decides. Each gives the code of its refusal, or `undefined`.
  confirm({ number, id }: Tip): string | undefined {
    const { now, head, now: { tip, anchor, kept } } = this
    if (number < 0n || number > LAST_HEIGHT) return number < 0n ? 'invalid_value' : 'height_out_of_range'
    if (tip !== undefined && number < tip.number) return 'tip_below_present'
    if (tip?.number === number && tip.id === id) return undefined
    const isWithin = head !== undefined && anchor !== undefined && anchor.number < number && number <= head.number
    const ours = isWithin ? now.blockAt(number)?.id : anchor?.number === number ? anchor.id ?? now.blockBelow(now.blockAt(number + 1n)) ?? now.blockAt(number)?.id : 'none'
    const agrees = ours !== 'none' && (id === undefined || ours === undefined || ours === id)
    const replaces = !agrees && (isWithin || (now.blockAt(number)?.id ?? id) !== id)
    // Ours is not the confirmed chain; or it begins above, and waits for what is between.
    if (!agrees && anchor?.isTip === false && anchor.number > number) this.demote(number + 1n, 'application', 'go', 'pending')
    else if (!agrees) this.demote(replaces ? number : number + 1n, 'application', 'go')
    now.tip = { number, id }
    now.anchor = { number, id, isTip: true }
    const named = agrees || id === undefined ? undefined : kept.get(id)
    if (named?.number === number && !named.handoverOnly) this.#name(named)
    for (const each of this.pending) if (each.number <= number) kept.delete(each.id)
    this.#offer(this.pending.filter(each => this.now.link(each) === 'linked'))
    this.#afterwards()
    if (replaces) this.#decided()
    return undefined
  }
  rewind(to: bigint): string | undefined {
    const { head, now: { tip, anchor } } = this
    if (to < 0n || to > LAST_HEIGHT) return to < 0n ? 'invalid_value' : 'height_out_of_range'
    if (tip !== undefined && to < tip.number) return 'below_confirmed_tip'
    if (anchor !== undefined && to < anchor.number) return 'below_anchor'
    if (head === undefined || to > head.number) return undefined
    this.demote(to + 1n, 'application', 'go')
    // What stands beside the chain there does not come back instead.
    for (const each of this.now.having('demoted')) if (each.number > to) each.standing = 'retired'
    this.#decided()
    return undefined
  }
  reinstate(id: string): string | undefined {
    const { kept, evidence, tip } = this.now
    const found = kept.get(id) ?? evidence.get(id)
    if (found === undefined) return 'unknown_block'
    if (tip !== undefined && found.number <= tip.number) return 'below_confirmed_tip'
    if (kept.get(id)?.standing === 'canonical') return undefined
    if (this.now.link(found) !== 'linked') return 'not_linked'
    if (!found.handoverOnly) this.demote(found.number, 'application')
    this.#name(found)
    this.#decided()
    return undefined
  }
  #name(found: Commitment): void {
    const block = this.now.kept.get(found.id) ?? this.#keep(found, 'pending')
    this.#makeCanonical(block)
    this.#offer(this.now.candidates(block))
  }
  /** What was demoted by a decision bars no rival, and the bound counts anew. */
  #decided(): void {
    const { now, now: { anchor } } = this
    const bars = this.now.others.filter(({ standing }) => standing !== 'retired')
    const free = this.now.having('rival').filter(rival => !rival.ruledOut && rival.number > (anchor?.number ?? -1n) && !bars.some(each => sameSlot(each, rival)))
    for (const each of free.map(rival => this.#keep(rival, 'pending'))) if (each.standing === 'pending' && this.now.link(each) === 'linked') this.#offer([each])
    this.#afterwards()
    now.mark = this.head?.number ?? anchor?.number ?? 0n
  }

  // ---- §7: what we signed
  /** Whatever bears our key counts, whoever sent it. */
  see(commitment: Commitment): void { if (this.ours.has(commitment.signer)) this.now.signed.set(commitment.id, commitment) }
  /** Unless it would be refused, or conflicts: with another block of that window and height, or across an end of our turn. What is here may be signed again. */
  sign(commitment: Commitment): 'signed' | 'refused' {
    const { now } = this
    if (now.forbids(commitment)) return 'refused'
    this.now = now.copy()
    const kept = now.kept.get(commitment.id)?.standing
    const fits = this.#judge(commitment) === 'accept' || (kept !== undefined && kept !== 'retired' && commitment.number > (now.tip?.number ?? -1n))
    this.now = now
    if (fits) this.see(commitment)
    return fits ? 'signed' : 'refused'
  }

  // ---- §7: a crash, and a disk that takes nothing until `thaw`
  freeze(): void { this.#disk ??= this.now.copy() }
  thaw(): void { this.#disk = undefined }
  restart(): void {
    this.now = this.durable
    this.#disk = undefined
    this.held = []
    // In which order those came that wait is not kept, and of rivals only the evidence.
    const kept = [...this.now.kept.values()].filter(({ standing }) => standing !== 'rival').sort((a, b) => compare(a.number, b.number) || (a.id < b.id ? -1 : 1))
    this.now.kept.clear()
    for (const [at, each] of kept.entries()) this.now.kept.set(each.id, { ...each, order: at - kept.length, nextSince: undefined })
  }
}
