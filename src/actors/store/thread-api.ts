import type { ChainRecord, DatabaseLimits, Discarded, Evidence, MissingTxLists, Opened, OwnSigned, RewindsSince, SignedBefore, Stats } from './database.js'
import type { StoreErrorData } from './errors.js'

/** What a call to the thread came to: errors are data, since a structured clone of an Error loses its code. */
export type Outcome<T> = { readonly ok: T } | { readonly error: StoreErrorData }

/** `Opened` with its tail as the bytes of a page. */
export type OpenedPacked = Omit<Opened, 'tail'> & { readonly tail: Uint8Array }

export interface ThreadOptions {
  readonly dataDir: string
  readonly token: string
  readonly limits: Partial<DatabaseLimits>
  readonly chainId: bigint | undefined
  readonly tail: number
}

/** The database across the thread: one call a batch or page, never one a record; pages and batches are packed and transferred. */
export interface ThreadApi {
  open (options: ThreadOptions): Promise<Outcome<OpenedPacked>>
  /** `encodeBatch`. */
  commit (batch: Uint8Array): Promise<Outcome<readonly Discarded[]>>
  discard (damaged: string, waiting: boolean): Promise<Outcome<readonly Discarded[]>>
  recordSigned (record: OwnSigned): Promise<Outcome<SignedBefore>>
  ownSigned (signer: Uint8Array, submissionWindowEnd: bigint): Promise<Outcome<readonly OwnSigned[]>>
  canonicalRange (start: bigint, max: number): Promise<Outcome<Uint8Array>>
  scan (from: bigint, max: number, after: Uint8Array | undefined): Promise<Outcome<Uint8Array>>
  tail (count: number): Promise<Outcome<Uint8Array>>
  beside (max: number): Promise<Outcome<Uint8Array>>
  /** A page of one record, or of none. */
  blockAt (height: bigint): Promise<Outcome<Uint8Array>>
  chainRecord (): Promise<Outcome<ChainRecord>>
  rewinds (after: number): Promise<Outcome<RewindsSince>>
  /** A page of one record, or of none. */
  commitmentByHash (hash: Uint8Array): Promise<Outcome<Uint8Array>>
  txList (hash: Uint8Array): Promise<Outcome<Uint8Array | undefined>>
  /** Hashes concatenated; a byte 0 or 1 for each. */
  hasTxLists (hashes: Uint8Array): Promise<Outcome<Uint8Array>>
  missingTxLists (from: bigint, max: number): Promise<Outcome<MissingTxLists>>
  evidence (from: number, max: number): Promise<Outcome<readonly Evidence[]>>
  meta (name: string): Promise<Outcome<string | undefined>>
  stats (): Promise<Outcome<Stats>>
  close (): Promise<Outcome<undefined>>
}
