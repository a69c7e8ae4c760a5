import { anchorBelow } from './anchor.js'
import type { Anchor } from './anchor.js'
import type { Changes } from './changes.js'
import type { Commitment } from './commitment.js'
import type { ChainConfig } from './config.js'
import { linkOf } from './links.js'
import type { Link } from './links.js'
import type { Memory } from './memory.js'
import type { ChainEvent } from './ports.js'

type CanonConfig = Pick<ChainConfig, 'maxReorgDepth' | 'memoryBlocks' | 'maxPendingParents' | 'maxAside' | 'maxHandoversPerHeight'>

/** What the canonical chain tells and asks while it changes. */
export interface CanonHooks {
  /** Said at once; what may only be said when durable goes through `changes`. */
  event(event: ChainEvent): void
  /** A pending commitment's parent is wanted; it is at `height`, or a hand-over right below the commitment. */
  missingParent(child: Commitment, height: bigint): void
  /** Whether the application's rules have seen enough of it; if not, they are asked, and `offerAgain` follows. */
  passedRules(commitment: Commitment): boolean
  /** It broke a rule of the chain that only its parent's arrival could show. */
  broke(commitment: Commitment, parent: Commitment | undefined): void
}

/** Where a commitment ended up. */
export type Placement = 'canonical' | 'aside' | 'pending'

/**
 * The canonical chain over the anchor, and how it changes (SPEC §7): at most one block a height, the first that links; a later window
 * supersedes within `maxReorgDepth` of the head; children that came before their parents follow when it is there. Commitments that come
 * here are authenticated. The head moves along links only (H15).
 */
export class Canon {
  head: Commitment | undefined
  anchor: Anchor | undefined
  #prunedTo = 0n

  constructor(
    private readonly memory: Memory, private readonly changes: Changes, private readonly hooks: CanonHooks, private readonly config: CanonConfig,
  ) {}

  /** The next height that extends the chain; `undefined` while there is neither tip nor root. */
  get next(): bigint | undefined {
    return this.head?.next ?? (this.anchor === undefined ? undefined : this.anchor.height + 1n)
  }

  /** Below this height nothing is in memory, though it may be in the store. */
  get floor(): bigint { return this.#prunedTo }

  link(commitment: Commitment): Link { return linkOf(commitment, this.memory, this.anchor) }

  /** Takes an authenticated commitment whose number fits its parent, where that is known. */
  place(commitment: Commitment): Placement {
    this.anchor ??= anchorBelow(commitment)
    this.memory.add(commitment, 'pending')
    this.changes.touch(commitment)
    this.#checkChildren(commitment)
    const link = this.link(commitment)
    if (link === 'linked') this.#offer([commitment])
    else if (link === 'aside') this.#sink(commitment)
    else if (link === 'unknown') this.askForParent(commitment)
    this.#recheckTrusted(commitment)
    this.#keepBounds()
    return commitment.standing === 'demoted' ? 'aside' : commitment.standing
  }

  /** Looks at a pending commitment again: the rules have answered, or its parent is given up. */
  offerAgain(commitment: Commitment): void {
    if (this.memory.get(commitment.key) !== commitment || commitment.standing !== 'pending') return
    if (this.link(commitment) === 'linked') this.#offer([commitment])
    this.#keepBounds()
  }

  /** Forgets a commitment as if it had never come: it can be fetched again. */
  forget(commitment: Commitment): void {
    this.changes.forget(commitment)
    this.memory.remove(commitment)
  }

  /** Demotes the canonical blocks from `height` on, and the hand-overs above it. */
  demoteFrom(height: bigint): void {
    for (let at = (this.head?.number ?? height - 1n) + 1n; at >= height; at--) {
      const block = this.memory.blockAt(at)
      const handovers = at > height ? this.memory.handoversAt(at) : []
      for (const commitment of block === undefined ? handovers : [block, ...handovers]) {
        commitment.onWord = false
        this.memory.move(commitment, 'demoted')
        this.changes.touch(commitment)
      }
    }
    this.head = this.memory.blockAt(height - 1n)
  }

  /** The anchor has moved: what links to it now follows. */
  settleAnchor(): void {
    if (this.anchor === undefined) return
    const above = [...this.memory.at(this.anchor.height + 1n)].filter(each => each.standing === 'pending' && this.link(each) === 'linked')
    const onHead = this.head === undefined ? [] : [...this.memory.childrenOf(this.head.key)].filter(({ standing }) => standing === 'pending')
    if (above.length + onHead.length > 0) this.#offer([...new Set([...above, ...onHead])])
  }

  /** Makes a block canonical because the application named it, and what waits for it after it. */
  name(block: Commitment): void {
    block.retired = false
    this.#makeCanonical(block)
    this.#offer(this.#candidates(block))
  }

  /** The store's canonical records, ascending; only at start, or after a rewind below what was in memory. */
  restore(commitments: Iterable<Commitment>, floor: bigint): void {
    let first = true
    for (const commitment of commitments) {
      commitment.written = commitment.announced = true
      // Of those in the middle, one whose parent is not there was adopted on its signer's word.
      commitment.onWord = !first && this.memory.get(commitment.parentKey) === undefined
      first = false
      this.memory.add(commitment, 'canonical')
      if (!commitment.bare) this.head = commitment
    }
    this.#prunedTo = floor
  }

  // ---- promotion

  /** Candidates for places on the chain, each of whose parents is canonical: hand-overs first, then the latest window of each height. */
  #offer(candidates: Commitment[]): void {
    for (let group = candidates; group.length > 0;) {
      const bares = group.filter(({ bare }) => bare)
      if (bares.length > 0) {
        // Children of a hand-over compete for the same height as the other blocks.
        group = group.filter(({ bare }) => !bare)
        for (const bare of bares) if (this.#promote(bare)) group.push(...this.#candidates(bare))
        continue
      }
      const next: Commitment[] = []
      for (const block of group.sort(byWindow)) if (this.#promote(block)) next.push(...this.#candidates(block))
      group = next
    }
  }

  /** Children that may take a place, now that their parent has one. What the application demoted stays so. */
  #candidates(parent: Commitment): Commitment[] {
    return [...this.memory.childrenOf(parent.key)].filter(child => child.standing !== 'canonical' && !child.retired && this.link(child) === 'linked')
  }

  #promote(commitment: Commitment): boolean {
    if (commitment.retired || !this.hooks.passedRules(commitment)) return false
    const { number, bare, window } = commitment
    if (bare) {
      if (this.memory.handoversAt(number).length >= this.config.maxHandoversPerHeight) {
        this.forget(commitment)
        return false
      }
    } else {
      const present = this.memory.blockAt(number)
      if (present !== undefined) {
        if (window <= present.window) return this.#sink(commitment)
        const head = this.head ?? present
        if (head.number - number + 1n > BigInt(this.config.maxReorgDepth)) {
          this.hooks.event({ type: 'deepReorg', hash: commitment.hash, blockNumber: number, head: head.number })
          return this.#sink(commitment)
        }
        this.#giveUp(present)
      }
    }
    this.#makeCanonical(commitment)
    return true
  }

  #makeCanonical(commitment: Commitment): void {
    this.memory.move(commitment, 'canonical')
    this.changes.touch(commitment)
    if (!commitment.bare) this.head = commitment
    if (commitment.eop && !commitment.announced) {
      const { hash, number, window, signer, bare } = commitment
      commitment.announced = true
      this.hooks.event({ type: 'handover', hash, blockNumber: number, submissionWindowEnd: window, signer, withBlock: !bare })
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
      group = group.flatMap(each => [...this.memory.childrenOf(each.key)].filter(({ standing }) => standing === 'pending'))
    }
    return false
  }

  // ---- waiting

  /** Tells sync what is missing, where it can be had at all: not below the anchor. */
  askForParent(child: Commitment): void {
    const lowest = this.anchor === undefined ? child.number : this.anchor.height + 1n
    if (child.number < lowest) return
    this.hooks.missingParent(child, child.number > lowest ? child.number - 1n : child.number)
  }

  /** Now that a parent is here, children whose number does not follow are out, with evidence (SPEC §6, H09). */
  #checkChildren(parent: Commitment): void {
    for (const child of [...this.memory.childrenOf(parent.key)]) {
      if (child.number === parent.next) continue
      if (child.standing === 'canonical') this.#giveUp(child)
      this.forget(child)
      this.hooks.broke(child, parent)
    }
  }

  /** The parent of a block that was adopted on its signer's word is here after all: if it is not on the chain, neither is the block. */
  #recheckTrusted(parent: Commitment): void {
    for (const child of [...this.memory.childrenOf(parent.key)]) {
      if (child.standing !== 'canonical' || !child.onWord || this.link(child) === 'linked') continue
      this.#giveUp(child)
      if (this.head !== undefined) this.#offer(this.#candidates(this.head))
    }
  }

  #giveUp(block: Commitment): void {
    this.demoteFrom(block.number)
    this.changes.afterwards({ type: 'rewind', to: block.number - 1n, reason: 'supersession' })
  }

  // ---- bounds (H22)

  #keepBounds(): void {
    const { maxPendingParents, maxAside, memoryBlocks } = this.config
    for (const oldest of this.memory.pending) {
      if (this.memory.pending.size <= maxPendingParents) break
      this.forget(oldest)
      // Its children wait for it still: it can be fetched again.
      const [child] = this.memory.childrenOf(oldest.key)
      if (child !== undefined) this.askForParent(child)
    }
    for (const oldest of this.memory.aside) {
      if (this.memory.aside.size <= maxAside) break
      if (oldest.retired) this.memory.remove(oldest)
      else this.forget(oldest)
    }
    if (this.head === undefined) return
    const floor = this.head.number - BigInt(memoryBlocks)
    if (floor - this.#prunedTo >= PRUNE_STEP && (this.anchor === undefined || floor > this.anchor.height)) {
      this.#prunedTo = floor
      this.#prune(floor)
    }
  }

  /** Lets go of what is below `floor`: the canonical in memory only, what still waits there for good. */
  #prune(floor: bigint): void {
    for (const commitment of [...this.memory.pending]) if (commitment.number < floor) this.forget(commitment)
    this.memory.prune(floor)
  }

  /** Lets go of what the confirmed tip has settled; its own block stays, for its children's link. */
  settleBelow(tip: bigint): void {
    this.#prune(tip)
    for (const commitment of [...this.memory.at(tip)]) {
      if (commitment.standing === 'canonical' && !commitment.bare) continue
      if (commitment.standing === 'pending') this.forget(commitment)
      else this.memory.remove(commitment)
    }
  }
}

/** Heights let go at a time. */
const PRUNE_STEP = 64n

const byWindow = (a: Commitment, b: Commitment): number =>
  a.number !== b.number ? (a.number < b.number ? -1 : 1) : a.window !== b.window ? (a.window > b.window ? -1 : 1) : a.order - b.order
