import { Bounds } from './bounds.js'
import type { Changes } from './changes.js'
import type { Commitment } from './commitment.js'
import type { ChainConfig } from './config.js'
import { byWindow, latestOn, linkOf, pathTo } from './links.js'
import type { Anchor, Link } from './links.js'
import type { CommitmentIndex } from './commitment-index.js'
import type { ChainEvent } from './ports.js'

type ForkConfig = Pick<ChainConfig, 'maxReorgDepth' | 'memoryBlocks' | 'maxPendingParents' | 'maxAside' | 'maxHandoversPerHeight'>

/** What the canonical chain tells and asks while it changes. */
export interface ForkHooks {
  /** Said at once; what may only be said when durable goes through `changes`. */
  event(event: ChainEvent): void
  /** A pending commitment's parent is wanted; it is at `height`, or a hand-over right below the commitment. */
  missingParent(child: Commitment, height: bigint): void
  /** Whether the application's rules have seen enough of it; if not, they are asked, and `offerAgain` follows. */
  passedRules(commitment: Commitment): boolean
  /** It broke a rule of the chain that only its parent's arrival could show. */
  broke(commitment: Commitment, parent: Commitment): void
  /** What `by` would demote from `present` on lies too deep: it stays. */
  tooDeep(by: Commitment, present: Commitment | undefined, head: bigint): void
  /** It has a place on the canonical chain, or has lost it. */
  adopted(commitment: Commitment): void
  left(commitment: Commitment): void
}

/** Where a commitment ended up. */
export type Placement = 'canonical' | 'aside' | 'pending'

/** Why canonical blocks are demoted: by a commitment, within the bound; or by a decision of the application, which has none. */
export type Cause = { readonly by: Commitment } | { readonly decision: 'retired' | 'pending'; readonly handovers: 'all' | 'above' }

/**
 * The canonical chain over the anchor, and how it changes (SPEC §7): at most one block a height, the first that links; a later window
 * supersedes; children that came before their parents follow when it is there. Commitments that come here are authenticated. The head
 * moves along links only (H15). Whatever demotes, demotes by `demote`.
 */
export class ForkChoice {
  head: Commitment | undefined
  anchor: Anchor | undefined
  /** The highest head since the application's last decision: the bound counts from here, so that no reorg widens the next (H43). */
  mark = 0n
  readonly bounds: Bounds
  /** Adopted without their parent, which has turned out to be off the chain in this turn. */
  readonly #refuted = new Map<Commitment, Commitment>()
  /** Rivals whose parent has become canonical in this turn. */
  readonly #linkedRivals = new Set<Commitment>()

  constructor(
    private readonly memory: CommitmentIndex, private readonly changes: Changes, private readonly hooks: ForkHooks, private readonly config: ForkConfig,
  ) { this.bounds = new Bounds(memory, each => { this.forget(each) }, child => { this.askForParent(child) }, config) }

  /** It has no tip, and begins where its first block happened to: nobody was asked where most begin. */
  get rootedByChance(): boolean { return this.anchor?.kind === 'root' && this.anchor.key !== undefined }

  /** The next height that extends the chain; `undefined` while there is neither tip nor root. */
  get next(): bigint | undefined { return this.head?.next ?? (this.anchor === undefined ? undefined : this.anchor.height + 1n) }

  link(commitment: Commitment): Link { return linkOf(commitment, this.memory, this.anchor) }

  /** The block that a block stands on: its parent, or what the hand-overs between them link to. */
  parentOf(block: Commitment): string {
    const parent = this.memory.get(block.parentKey)
    return parent?.handoverOnly === true && parent.standing === 'canonical' ? this.parentOf(parent) : block.parentKey
  }

  /** Takes an authenticated commitment whose number fits its parent, where that is known. */
  place(commitment: Commitment): Placement {
    if (this.anchor === undefined) this.#root({ kind: 'root', height: commitment.number - 1n, key: commitment.parentKey }, commitment.parentHash)
    this.memory.add(commitment, 'pending')
    this.changes.touch(commitment)
    this.#checkChildren(commitment)
    const link = this.link(commitment)
    if (link === 'linked') this.#offer([commitment])
    else if (link === 'aside') this.#sink(commitment)
    else if (link === 'unknown') this.askForParent(commitment)
    else if (link === 'waiting') this.#follow(commitment)
    this.settle()
    return commitment.standing === 'canonical' || commitment.standing === 'pending' ? commitment.standing : 'aside'
  }

  /** Keeps the second commitment of an equivocation beside the chain: a later window's elected signer may build on it (H74). */
  keepRival(rival: Commitment): void {
    if (this.memory.get(rival.key) !== undefined) return
    rival.rival = true
    this.memory.add(rival, 'demoted')
    this.#checkChildren(rival)
    this.#follow(rival)
    this.settle()
  }

  /** Looks at a commitment again: the rules have answered, or its parent is given up. */
  offerAgain(commitment: Commitment): void {
    if (this.memory.get(commitment.key) !== commitment) return
    if (commitment.rival) this.#follow(commitment)
    else if (commitment.standing === 'pending' && this.link(commitment) === 'linked') this.#offer([commitment])
    this.settle()
  }

  /** Forgets a commitment as if it had never come: it can be fetched again. */
  forget(commitment: Commitment): void {
    this.changes.forget(commitment)
    this.memory.remove(commitment)
  }

  /**
   * The one way to demote (SPEC §7): canonical blocks from `from` on, and the hand-overs above it. By a commitment, only above the confirmed
   * tip and within `maxReorgDepth` of the mark.
   * @returns false where that would go too deep: nothing has changed, and it was told
   */
  demote(from: bigint, cause: Cause): boolean {
    const { memory, changes, hooks, head, anchor, config: { maxReorgDepth } } = this
    const decision = 'decision' in cause ? cause : undefined
    if ('by' in cause && (this.mark - from >= BigInt(maxReorgDepth) || (anchor !== undefined && from <= anchor.height))) {
      hooks.tooDeep(cause.by, memory.blockAt(from), head?.number ?? from)
      return false
    }
    const standing = decision?.decision ?? 'demoted'
    const leavesAt = decision?.handovers === 'all'
    for (const each of [...memory].filter(({ standing, number, handoverOnly }) => standing === 'canonical' && number >= from && (!handoverOnly || number > from || leavesAt))) {
      each.adoptedWithoutParent = false
      memory.move(each, standing)
      changes.touch(each)
      hooks.left(each)
    }
    if (head === undefined || head.number < from) return true
    // The store demotes every record from there on, and learns with these which stay.
    for (const handover of memory.handoversAt(from)) changes.touch(handover)
    changes.rewind(from - 1n, decision === undefined ? 'supersession' : 'application', standing === 'retired')
    changes.mark(this.mark)
    this.head = memory.blockAt(from - 1n)
    return true
  }

  /** A decision of the application has been carried out: the bound counts from the head that it leaves. */
  decided(): void {
    this.settle()
    this.mark = this.head?.number ?? this.anchor?.height ?? 0n
    this.changes.mark(this.mark < 0n ? 0n : this.mark)
  }

  /** What the application demoted bars no rival (SPEC §7). */
  unbar(): void {
    const { memory, anchor } = this
    const mayReturn = ({ rival, ruled, number, slot }: Commitment): boolean => rival && ruled !== 'refused' && (anchor === undefined || number > anchor.height)
      && slot !== undefined && (memory.first(slot)?.standing ?? 'retired') === 'retired'
    const free = [...memory.aside].filter(mayReturn)
    for (const rival of free) this.#accept(rival)
    for (const rival of free) if (rival.standing === 'pending' && this.link(rival) === 'linked') this.#offer([rival])
  }

  /** The anchor has moved: what links to it now follows. */
  settleAnchor(): void {
    if (this.anchor === undefined) return
    const above = [...this.memory.at(this.anchor.height + 1n)].filter(each => each.standing === 'pending' && this.link(each) === 'linked')
    const onHead = this.head === undefined ? [] : [...this.memory.childrenOf(this.head.key)].filter(({ standing }) => standing === 'pending')
    if (above.length + onHead.length > 0) this.#offer([...new Set([...above, ...onHead])])
    this.settle()
  }

  /** Makes a block canonical because the application named it, and what waits for it after it. */
  name(block: Commitment): void {
    if (block.rival) this.#accept(block)
    this.#makeCanonical(block)
    this.#offer(this.#candidates(block))
  }

  /**
   * A chain without a tip begins at this height, whatever the block there links to: sync has found that most peers can serve it (SPEC §7).
   * What was kept below stays where it is; what stands above waits for what is missing.
   */
  rootAt(first: bigint): void {
    const { anchor, memory } = this
    if (anchor?.kind === 'tip') return
    if (anchor !== undefined && first > anchor.height && first <= (this.next ?? first)) {
      if (anchor.key !== undefined) this.#root({ ...anchor, key: undefined }, undefined)
      return
    }
    if (anchor !== undefined && first <= anchor.height) this.demote(first, { decision: 'pending', handovers: 'all' })
    else this.head = undefined
    this.#root({ kind: 'root', height: first - 1n, key: undefined }, undefined)
    memory.prune(first)
    this.settleAnchor()
  }

  #root(anchor: Anchor, parentHash: Uint8Array | undefined): void {
    this.anchor = anchor
    this.changes.root({ first: anchor.height + 1n, ...parentHash !== undefined && { parentHash: parentHash.slice() } })
  }

  /**
   * The store's canonical records, ascending; at start, or after a rewind below what was in memory.
   * @param floor the lowest height, where what is below lies in the store only: its first height is then not looked at; else 0
   * @returns what does not link: hand-overs, and everything from the first block on
   */
  restore(commitments: readonly Commitment[], floor: bigint): readonly Commitment[] {
    this.bounds.floor = floor
    const loose: Commitment[] = []
    for (let from = 0, to = 0, next: bigint | undefined; from < commitments.length; from = to) {
      const { number } = commitments[from] as Commitment
      while (commitments[to]?.number === number) to++
      // Hand-overs of a height stand in no order of their links.
      const height = commitments.slice(from, to)
      const trusted = next === undefined && floor > 0n
      for (let at = 0; at >= 0 && (next === undefined || number <= next);) {
        at = height.findIndex(each => trusted || this.link(each) === 'linked')
        for (const commitment of at < 0 ? [] : height.splice(at, 1)) {
          commitment.announced = true
          this.memory.add(commitment, 'canonical')
          if (next === undefined || commitment.next > next) next = commitment.next
          if (commitment.handoverOnly) continue
          this.head = commitment
          if (number > this.mark) this.mark = number
        }
      }
      loose.push(...height)
      if (height.some(({ handoverOnly }) => !handoverOnly) || next === undefined) return [...loose, ...commitments.slice(to)]
    }
    return loose
  }

  // ---- promotion

  /** Candidates for places on the chain, each of whose parents is canonical: hand-overs first, then the latest window of each height. */
  #offer(candidates: Commitment[]): void {
    for (let group = candidates; group.length > 0;) {
      const handovers = group.filter(({ handoverOnly }) => handoverOnly)
      if (handovers.length > 0) {
        // Children of a hand-over compete for the same height as the other blocks.
        group = group.filter(({ handoverOnly }) => !handoverOnly)
        for (const handoverOnly of handovers) if (this.#promote(handoverOnly)) group.push(...this.#candidates(handoverOnly))
        continue
      }
      const next: Commitment[] = []
      for (const block of group.sort(byWindow)) if (this.#promote(block)) next.push(...this.#candidates(block))
      group = next
    }
  }

  /** Children that may take a place, now that their parent has one. What the application demoted stays so. */
  #candidates(parent: Commitment): Commitment[] {
    return this.memory.childrenOf(parent.key).filter(child =>
      !child.rival && child.standing !== 'canonical' && child.standing !== 'retired' && this.link(child) === 'linked')
  }

  #promote(commitment: Commitment): boolean {
    const { number, handoverOnly, window, standing } = commitment
    if (standing === 'canonical' || standing === 'retired' || !this.hooks.passedRules(commitment)) return false
    if (handoverOnly) {
      if (this.memory.handoversAt(number).length >= this.config.maxHandoversPerHeight) {
        this.forget(commitment)
        return false
      }
    } else {
      const present = this.memory.blockAt(number)
      if (present !== undefined && (window <= present.window || !this.demote(number, { by: commitment }))) return this.#sink(commitment)
    }
    this.#makeCanonical(commitment)
    return true
  }

  #makeCanonical(commitment: Commitment): void {
    const { hash, number, window, signer, handoverOnly, eop, adoptedWithoutParent } = commitment
    this.memory.move(commitment, 'canonical')
    this.changes.touch(commitment)
    if (!handoverOnly) {
      this.head = commitment
      if (number > this.mark) this.mark = number
      if (adoptedWithoutParent) this.changes.gap({ blockNumber: number, hash })
    }
    this.hooks.adopted(commitment)
    for (const child of this.memory.childrenOf(commitment.key)) if (child.rival) this.#linkedRivals.add(child)
    if (eop && !commitment.announced) {
      commitment.announced = true
      this.hooks.event({ type: 'handover', hash, blockNumber: number, submissionWindowEnd: window, signer, withBlock: !handoverOnly })
    }
  }

  /** It is known and not canonical, and so are those that waited for it. */
  #sink(commitment: Commitment): false {
    for (let group = [commitment]; group.length > 0;) {
      for (const each of group) {
        if (each.standing === 'demoted') continue
        this.memory.move(each, 'demoted')
        this.changes.touch(each)
      }
      group = group.flatMap(each => this.memory.childrenOf(each.key).filter(child => {
        if (child.standing === 'canonical' && child.adoptedWithoutParent) this.#refuted.set(child, each)
        return child.standing === 'pending'
      }))
    }
    return false
  }

  // ---- rivals (H74)

  /** Nothing bars it any more. */
  #accept(rival: Commitment): void {
    this.memory.remove(rival)
    rival.rival = false
    this.memory.add(rival, 'pending')
    this.changes.touch(rival)
  }

  /** Follows rivals on which a later window than the chain's was built, at any depth: they take the place of the blocks that came first. */
  #follow(below: Commitment): void {
    const latest = latestOn(this.memory, below)
    const path = latest === undefined ? undefined : pathTo(latest, this.memory, this.anchor)
    if (latest === undefined || path === undefined) return
    const [first] = path
    if (!first.rival || latest.window <= first.window) return
    // By the latest window on either side: so no two rivals take turns.
    for (const { standing, handoverOnly, number, window } of this.memory) if (standing === 'canonical' && !handoverOnly && number >= first.number && window >= latest.window) return
    const rivals = path.filter(({ rival, window }) => rival && window < latest.window)
    if (!rivals.every(each => this.hooks.passedRules(each))) return
    if (this.memory.blockAt(first.number) !== undefined && !this.demote(first.number, { by: first })) return
    for (const each of rivals) this.#accept(each)
    this.#offer([first])
  }

  // ---- waiting

  /** Tells sync what is missing, where it can be had at all: not below the anchor. */
  askForParent(child: Commitment): void {
    const lowest = this.anchor === undefined ? child.number : this.anchor.height + 1n
    if (child.number < lowest) return
    this.hooks.missingParent(child, child.number > lowest ? child.number - 1n : child.number)
  }

  /** Now that a parent is here: children whose number does not follow are out, with evidence (SPEC §6, H09). */
  #checkChildren(parent: Commitment): void {
    for (const child of [...this.memory.childrenOf(parent.key)]) {
      if (child.number === parent.next) continue
      this.hooks.broke(child, parent)
      if (child.standing === 'canonical' && !this.demote(child.number, { by: parent })) continue
      this.forget(child)
    }
    for (const child of this.memory.childrenOf(parent.key)) {
      if (child.standing === 'canonical' && child.adoptedWithoutParent) this.#refuted.set(child, parent)
    }
  }

  /**
   * After each change: what it has made worth another look (blocks whose late parent is off the chain, H44; rivals whose parent is on it), then
   * the bounds.
   */
  settle(): void {
    for (const [child, parent] of this.#refuted) {
      this.#refuted.delete(child)
      if (child.standing !== 'canonical' || !child.adoptedWithoutParent || this.link(child) !== 'aside') continue
      if (this.demote(child.number, { by: parent }) && this.head !== undefined) this.#offer(this.#candidates(this.head))
    }
    for (const rival of this.#linkedRivals) {
      this.#linkedRivals.delete(rival)
      if (rival.rival) this.#follow(rival)
    }
    this.bounds.keep(this.head, this.anchor)
  }
}
