/** How the unsteady writer is told where and what to write. */
export interface UnsteadyTask {
  readonly dataDir: string
  /** What the application keeps: its cursor, and the chain that it has folded from the stream, in one file. */
  readonly stateFile: string
  readonly seed: number
  /** A node that has seen what was published. */
  readonly follower: string
  /** It may have lost what it signed: nothing is signed before it has caught up. */
  readonly restored: boolean
}

export type Question =
  /** Follows the stream until what was folded is the chain; both, where that does not come to be. */
  | { readonly do: 'fold' }
  /** Signs another block in the place of each of these, where it is let: gives the codes, `none` where it was. */
  | { readonly do: 'offend'; readonly places: readonly Place[] }
  /** Begins to publish, to reorganize and to follow, until it is killed. */
  | { readonly do: 'go' }

export interface Place { readonly height: bigint; readonly window: bigint; readonly parent: Uint8Array }

export interface Answers {
  readonly fold: Folded
  readonly offend: readonly string[]
  readonly go: boolean
}

export interface Folded {
  /** Lines `height hash`, where they differ. */
  readonly folded: readonly string[]
  readonly chain: readonly string[]
  readonly blocks: number
  readonly rewinds: number
}
