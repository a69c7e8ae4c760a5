import type { SignedCommitment } from './containers.js'

/** What the ordered stream gives (SPEC §7). */
export type StreamItem =
  /** The next canonical block, durable. Keep the `cursor` of each item once you are done with it: `from: cursor` goes on right behind. */
  | {
    readonly kind: 'block'; readonly cursor: string; readonly blockNumber: bigint; readonly commitment: SignedCommitment
    /** The commitment's SSZ, 382 bytes. */
    readonly ssz: Uint8Array
    /** Preconfirmation hash. */
    readonly hash: Uint8Array
    readonly signer: Uint8Array
    /** Its raw transaction list, where the stream was asked for complete blocks. */
    readonly txList: Uint8Array | undefined
  }
  /**
   * Blocks above `to` are no longer canonical; those in their place follow. `reset`: the stream cannot know how far what the reader has is
   * canonical still (an old cursor, or one of another store), and begins anew from the confirmed tip, or from the lowest block that is kept.
   */
  | { readonly kind: 'rewind'; readonly to: bigint; readonly reset?: true; readonly cursor: string }
  /** Blocks `from` to `to` are not here: below what is kept, or passed over by a jump of the confirmed tip. */
  | { readonly kind: 'skipped'; readonly from: bigint; readonly to: bigint; readonly cursor: string }
  /** The txlist of this block has been missing for 30 s. The stream goes on waiting for it. */
  | { readonly kind: 'stalled'; readonly height: bigint }
