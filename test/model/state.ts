/** What the model of SPEC §6 and §7 keeps: see model.ts. */

export interface Commitment {
  readonly id: string; readonly parent: string; readonly number: bigint; readonly window: bigint; readonly signer: string; readonly eop: boolean
  /** `bare`: a hand-over without a block, which occupies no height. `refused`: by the application's rules. */
  readonly bare: boolean; readonly txList: string; readonly refused: boolean
}
/** `demoted`: beside the chain. `retired`: by the application, and returns only if that names it. `rival`: a second one of its signer, window and height. */
export type Standing = 'canonical' | 'pending' | 'demoted' | 'retired' | 'rival'
/** `gap`: adopted without its parent, on its signer's word. `nextSince`: since when only its missing parent keeps it from the head. */
export interface Kept extends Commitment { standing: Standing; gap: boolean; nextSince: number | undefined; readonly order: number }
export interface Tip { readonly number: bigint; readonly id: string | undefined }
/** What is said of one that came; while it is `held`, it may still become another. */
export interface Answer { verdict: 'accept' | 'ignore' | 'held' }
export interface Bounds {
  readonly maxReorgDepth: number; readonly maxPending: number; readonly maxHeld: number; readonly maxHeldPerPeer: number
  readonly holdFor: number; readonly verdictWithin: number; readonly handoverWait: number; readonly windowHorizon: number
}

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
    return [...this.kept.values()].filter(({ standing }) => standing === 'canonical')
      .sort((a, b) => compare(a.number, b.number) || Number(b.bare) - Number(a.bare) || compare(a.window, b.window) || (a.id < b.id ? -1 : 1))
  }
  blockAt(height: bigint): Kept | undefined {
    for (const each of this.kept.values()) if (each.standing === 'canonical' && !each.bare && each.number === height) return each
    return undefined
  }
  /** The highest canonical block reached without a gap from the anchor. */
  get head(): Kept | undefined {
    let head = this.anchor && this.blockAt(this.anchor.number)
    for (let up = this.anchor && this.blockAt(this.anchor.number + 1n); up !== undefined; up = this.blockAt(up.number + 1n)) head = up
    return head
  }
  /** Only canonical blocks name txlists that are fetched. */
  get wants(): string[] { return this.canonical.filter(({ bare, txList }) => !bare && !this.txLists.has(txList)).map(({ txList }) => txList) }
  copy(): Lasting {
    const copy = Object.assign(new Lasting(), { tip: this.tip, anchor: this.anchor, mark: this.mark, order: this.order, override: this.override })
    for (const [id, each] of this.kept) copy.kept.set(id, { ...each })
    for (const name of ['evidence', 'signed'] as const) for (const [id, each] of this[name]) copy[name].set(id, each)
    for (const each of this.txLists) copy.txLists.add(each)
    return copy
  }
}
