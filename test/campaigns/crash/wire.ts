/** What the campaign asks the writer, and what the writer answers. Each crosses as a structured clone. */
export type Question =
  /** The head, and how many commitments wait for their parent. */
  | { readonly do: 'head' }
  /** Stored canonical commitments, one SSZ after the other. */
  | { readonly do: 'commitments'; readonly start: bigint }
  /** The hash of what is stored under each hash, `none` where nothing is. */
  | { readonly do: 'txLists'; readonly hashes: readonly Uint8Array[] }
  /** The ordered stream, complete blocks, until a block of this height, or anything that is no block. */
  | { readonly do: 'stream'; readonly from: bigint | string; readonly to: bigint }
  /** Publishes what may not leave; gives the code of its error, `none` where it was published. */
  | { readonly do: 'offend'; readonly height: bigint; readonly how: Offence }
  /** Begins to publish and to follow the stream, until it is killed. */
  | { readonly do: 'go'; readonly ahead: number }

export type Offence = 'rival' | 'rival signed elsewhere' | 'after end of turn'

export interface Answers {
  readonly head: { readonly head: bigint; readonly pending: number }
  readonly commitments: Uint8Array
  readonly txLists: readonly string[]
  readonly stream: readonly Streamed[]
  readonly offend: string
  readonly go: boolean
}

export interface Streamed {
  readonly kind: 'block' | 'rewind' | 'skipped' | 'stalled'
  readonly height: bigint
  /** Preconfirmation hash, hex. */
  readonly hash: string
  /** Whether the txlist that came with it is the one that it names. */
  readonly whole: boolean
  readonly cursor: string
}

export interface Asked { readonly id: number; readonly question: Question }
export type Answered = { readonly id: number; readonly answer: Answers[keyof Answers] } | { readonly id: number; readonly error: string }

/** How the writer is told where and what to write. */
export interface WriterTask {
  readonly dataDir: string
  readonly cursorFile: string
  readonly seed: number
  readonly windowsFrom: string
}

/**
 * What the writer reports on stdout, a line each:
 * `started MS WAITED` (of that, so long for a processor), `stored commitment HEIGHT HASH`, `stored txList HASH`, `head HEIGHT`, `signed HEIGHT`, `published HEIGHT`, `item HEIGHT HASH whole|torn`,
 * `saved CURSOR`, `lagged COUNT`, `error TEXT`.
 */
export type Report = readonly [what: string, ...rest: string[]]
