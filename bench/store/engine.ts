/** What both candidates do in the measurement. Every write resolves when it is on disk, not when it is visible. */
export interface Engine {
  /** Packed records (work.ts), by height from `first` on, and an index of their hashes: one durable transaction. */
  commit(first: number, packed: Uint8Array): Promise<void>
  /** Packed txlists of `bytes` each: one durable transaction. */
  putTxLists(packed: Uint8Array, bytes: number): Promise<void>
  /** The records of `count` heights from `first` on, as one piece. */
  scan(first: number, count: number): Promise<Uint8Array>
  txList(hash: Uint8Array): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

export type EngineName = 'classic-level' | 'lmdb'
export const ENGINES: readonly EngineName[] = ['classic-level', 'lmdb']

/** How an engine is run. `plain` is what it does out of the box. */
export type Tuning = Readonly<Record<string, string | number | boolean>>

export async function openEngine(name: EngineName, folder: string, tuning: Tuning = {}): Promise<Engine> {
  if (name === 'lmdb') return (await import('./lmdb.js')).openLmdb(folder, tuning)
  return (await import('./classic-level.js')).openClassicLevel(folder, tuning)
}
