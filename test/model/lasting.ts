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
export interface Held { readonly commitment: Commitment; readonly peer: string; readonly since: number; readonly answer: Answer }

export interface Bounds {
  readonly maxReorgDepth: number; readonly maxPending: number; readonly maxHeld: number; readonly maxHeldPerPeer: number
  readonly holdFor: number; readonly verdictWithin: number; readonly handoverWait: number; readonly windowHorizon: number
}

export const LAST_HEIGHT = 2n ** 64n - 2n
export const next = ({ number, bare }: Commitment): bigint => bare ? number : number + 1n
export const sameTurn = (a: Commitment, b: Commitment): boolean => a.signer === b.signer && a.window === b.window
export const sameSlot = (a: Commitment, b: Commitment): boolean => !a.bare && !b.bare && a.number === b.number && sameTurn(a, b)
export const compare = (a: bigint, b: bigint): number => a < b ? -1 : a > b ? 1 : 0

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

  copy(): Lasting {
    const copy = Object.assign(new Lasting(), { tip: this.tip, anchor: this.anchor, mark: this.mark, override: this.override, order: this.order })
    for (const [id, each] of this.kept) copy.kept.set(id, { ...each })
    for (const name of ['evidence', 'signed'] as const) for (const [id, each] of this[name]) copy[name].set(id, each)
    for (const each of this.txLists) copy.txLists.add(each)
    return copy
  }
}
