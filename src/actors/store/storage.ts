import type { Key } from './schema.js'

export interface Entry { readonly key: Key; readonly value: Uint8Array }

export interface Range {
  readonly gte: Key
  readonly lt: Key
  readonly limit: number
  /** Highest keys first. */
  readonly reverse?: boolean
}

/** A key with its new value, or with none to remove it. */
export interface Write { readonly key: Key; readonly value: Uint8Array | undefined }

/**
 * What the database needs of whatever keeps its bytes: ordered keys, ranges, and a write that is atomic and durable. Values
 * that it gives must not be changed, nor kept beyond the caller's turn without a copy.
 */
export interface Storage {
  readonly durable: boolean
  /** Bytes of the log that were lost at opening. */
  readonly droppedBytes: number
  /** What was left of damaged files was put together again at opening: some of it may be missing, or old. */
  readonly repaired: boolean
  /** Names in its folder that are none of its files. */
  readonly unknownFiles: readonly string[]
  /** How many transactions an earlier run has said to be durable, where that is known from elsewhere than the database itself. */
  readonly witnessed: number | undefined
  /** So many transactions are durable: remembered elsewhere than in the database. */
  acknowledged (commits: number): void
  /** Puts together what is left of files that cannot be read. */
  repair (): Promise<void>
  get (key: Key): Promise<Uint8Array | undefined>
  getMany (keys: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]>
  range (range: Range): Promise<readonly Entry[]>
  /** Durable when it resolves. After a rejection nothing may be written until `recover` has resolved. */
  write (writes: Iterable<Write>): Promise<void>
  /** Makes it writable again after a failure, or rejects with what is still in the way. Reads go on as far as they can. */
  recover (): Promise<void>
  close (): Promise<void>
}
