/** What the model of SPEC §6 and §7 keeps: see model.ts. */

export interface Commitment {
  readonly id: string; readonly parent: string; readonly number: bigint; readonly window: bigint; readonly signer: string; readonly eop: boolean
  /** `handoverOnly`: a hand-over without a block, which occupies no height. `refused`: by the application's rules. */
  readonly handoverOnly: boolean; readonly txList: string; readonly refused: boolean
}
/** `demoted`: beside the chain. `retired`: by the application, and returns only if that names it. `rival`: a second one of its signer, window and height. */
export type Standing = 'canonical' | 'pending' | 'demoted' | 'retired' | 'rival'
/** `ruledOut`: a rival of which the rules were asked, and refused it. `gap`: adopted without its parent, on its signer's word. `nextSince`: since when only its missing parent keeps it from the head. */
export interface Kept extends Commitment { standing: Standing; gap: boolean; nextSince: number | undefined; readonly order: number; ruledOut: boolean }
export interface Tip { readonly number: bigint; readonly id: string | undefined }
/** What is said of one that came; while it is `held`, it may still become another. */
export interface Answer { verdict: 'accept' | 'ignore' | 'held' }
export interface Held { readonly commitment: Commitment; readonly peer: string; readonly since: number; readonly answer: Answer }
export interface Bounds {
  readonly maxReorgDepth: number; readonly maxPending: number; readonly maxHeld: number; readonly maxHeldPerPeer: number
  readonly holdFor: number; readonly verdictWithin: number; readonly handoverWait: number; readonly windowHorizon: number
}

export const LAST_HEIGHT = 2n ** 64n - 2n
export const next = ({ number, handoverOnly }: Commitment): bigint => handoverOnly ? number : number + 1n
const sameTurn = (a: Commitment, b: Commitment): boolean => a.signer === b.signer && a.window === b.window
export const sameSlot = (a: Commitment, b: Commitment): boolean => !a.handoverOnly && !b.handoverOnly && a.number === b.number && sameTurn(a, b)
/** `late` is signed in a turn that `end` had ended. */
export const comesAfter = (late: Commitment, end: Commitment): boolean => end.eop && sameTurn(late, end) && late.number >= next(end)
export const compare = (a: bigint, b: bigint): number => a < b ? -1 : a > b ? 1 : 0

export class Lasting {
  /** By hash, in the order of arrival. */
  readonly kept = new Map<string, Kept>()
  /** What convicts its signer, and what it is convicted by. */
  readonly evidence = new Map<string, Commitment>()
  /** All that we have seen of our keys. */
  readonly signed = new Map<string, Commitment>()
  readonly txLists = new Set<string>()
  tip: Tip | undefined
  /** What the first block stands on: the tip, or whatever the root stood on. */
  anchor: (Tip & { readonly isTip: boolean }) | undefined
  /** The highest head since the application's last decision. */
  mark = 0n
  order = 0
  override: { readonly number: bigint; readonly window: bigint } | undefined

  /** In the order in which they are served: of each height its hand-overs, then its block. */
  get canonical(): Kept[] {
    return this.having('canonical')
      .sort((a, b) => compare(a.number, b.number) || Number(b.handoverOnly) - Number(a.handoverOnly) || compare(a.window, b.window) || (a.id < b.id ? -1 : 1))
  }
  blockAt(height: bigint): Kept | undefined {
    for (const each of this.kept.values()) if (each.standing === 'canonical' && !each.handoverOnly && each.number === height) return each
    return undefined
  }
  /** The highest canonical block reached without a gap from the anchor. */
  get head(): Kept | undefined {
    let head = this.anchor && this.blockAt(this.anchor.number)
    for (let up = this.anchor && this.blockAt(this.anchor.number + 1n); up !== undefined; up = this.blockAt(up.number + 1n)) head = up
    return head
  }
  /** Only canonical blocks name txlists that are fetched. */
  get wants(): string[] { return this.canonical.filter(({ handoverOnly, txList }) => !handoverOnly && !this.txLists.has(txList)).map(({ txList }) => txList) }
  having(standing: Standing): Kept[] { return [...this.kept.values()].filter(each => each.standing === standing) }
  get others(): Kept[] { return [...this.kept.values()].filter(({ standing }) => standing !== 'rival') }
  childrenOf({ id }: Commitment): Kept[] { return [...this.kept.values()].filter(({ parent }) => parent === id) }
  /** How a commitment stands to the canonical chain by its parent, which is found by hash. */
  link(commitment: Commitment & { readonly gap?: boolean }): 'linked' | 'beside' | 'waits' | 'unknown' | 'misnumbered' {
    const { anchor, kept } = this
    const { parent: id, number, gap = false } = commitment
    const parent = kept.get(id)
    const isFirst = anchor !== undefined && number === anchor.number + 1n
    if (parent !== undefined && number !== next(parent)) return 'misnumbered'
    if (parent?.standing === 'canonical' || (isFirst && (anchor.id === undefined || anchor.id === id))) return 'linked'
    if (parent !== undefined) return parent.standing === 'pending' || parent.standing === 'rival' ? 'waits' : 'beside'
    if (anchor?.isTip === true && anchor.id === id) return 'misnumbered'
    return gap && (isFirst || this.blockAt(number - 1n) !== undefined) ? 'linked' : 'unknown'
  }
  /** What would go on from a canonical one. */
  candidates(parent: Kept): Kept[] { return this.childrenOf(parent).filter(each => (each.standing === 'pending' || each.standing === 'demoted') && this.link(each) === 'linked') }
  /** Blocks that only their parent keeps from being next; of a later window, since that parent must be a hand-over. */
  get lackParent(): Kept[] {
    const { head, anchor, kept } = this
    return this.having('pending').filter(each => !each.handoverOnly && each.number - 1n === (head ?? anchor)?.number && !kept.has(each.parent) && this.link(each) === 'unknown'
      && (head === undefined || each.window > head.window))
  }
  /** The latest window's block beside the chain: this one, or what was built on it, at any depth. */
  latestOn(below: Kept): Kept | undefined {
    const builtOn = (on: Kept): Kept[] => this.childrenOf(on).filter(({ standing }) => standing !== 'canonical' && standing !== 'retired').flatMap(each => [each, ...builtOn(each)])
    return [below, ...builtOn(below)].filter(({ handoverOnly }) => !handoverOnly).sort((a, b) => compare(b.window, a.window))[0]
  }
  /** What leads from the canonical chain to one beside it, that included; nothing where nothing does. */
  pathTo(latest: Kept): Kept[] {
    const path: Kept[] = [latest]
    while (this.link(path[0]!) !== 'linked') {
      const parent = this.kept.get(path[0]!.parent)
      if (parent === undefined || parent.standing === 'canonical' || parent.standing === 'retired') return []
      path.unshift(parent)
    }
    return path
  }
  /** What we signed forbids it; and a second one of its place is not signed either, whatever has become of the first. */
  forbids(commitment: Commitment): boolean {
    if (!this.kept.has(commitment.id) && this.others.some(each => sameSlot(each, commitment))) return true
    return !this.signed.has(commitment.id)
      && [...this.signed.values()].some(each => sameSlot(each, commitment) || comesAfter(each, commitment) || comesAfter(commitment, each))
  }
  /** The block that a block stands on: its parent, or what the hand-overs between them link to. */
  blockBelow(block: Commitment | undefined): string | undefined {
    const parent = block === undefined ? undefined : this.kept.get(block.parent)
    return parent?.handoverOnly === true && parent.standing === 'canonical' ? this.blockBelow(parent) : block?.parent
  }
  copy(): Lasting {
    const copy = Object.assign(new Lasting(), { tip: this.tip, anchor: this.anchor, mark: this.mark, order: this.order, override: this.override })
    for (const [id, each] of this.kept) copy.kept.set(id, { ...each })
    for (const name of ['evidence', 'signed'] as const) for (const [id, each] of this[name]) copy[name].set(id, each)
    for (const each of this.txLists) copy.txLists.add(each)
    return copy
  }
}
