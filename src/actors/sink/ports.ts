import type { StreamItem } from '../../protocol/stream-item.js'

/** The ordered stream, and what of the chain a sink asks beside it to know where to go on. */
export interface OrderedSource {
  blocks(options: { readonly from: bigint | string; readonly withTxList: boolean; readonly signal: AbortSignal }): AsyncGenerator<StreamItem, void, undefined>
  /** What was rewound after a rewind of this number that was told in a store's name (left out: in ours). `known`: whether that is known of it. */
  rewinds(after: number, store?: string): Promise<{ readonly store: string; readonly last: number; readonly known: boolean }>
  /** Hash of the canonical block at a height. */
  hashAt(height: bigint): Promise<Uint8Array | undefined>
  /** The lowest block that is kept. */
  lowest(): Promise<bigint | undefined>
  confirmedTip(): Promise<bigint | undefined>
}
