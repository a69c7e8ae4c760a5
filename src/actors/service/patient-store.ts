import type { Clock } from '../kernel/index.js'
import { StoreError } from '../store/index.js'
import type { CommitmentRecord, RewindsSince, Stats, Store, StoreStanding } from '../store/ingress.js'

const WITHIN = 10_000
const AGAIN_AFTER = 500

/** Store errors that are temporary: the supervisor restarts the store. */
const PASSING: ReadonlySet<unknown> = new Set(['interrupted', 'closed', 'timeout', 'crashed', 'io', 'rejected'])

/** The store as the ordered stream reads it: temporary errors are retried until the read succeeds or the reader has gone. */
export class PatientStore {
  constructor(private readonly needs: { readonly store: Store; readonly clock: Clock }, private readonly signal: AbortSignal) {}

  async scan(from: bigint, max: number): Promise<Iterable<CommitmentRecord>> { return this.#patiently(store => store.scan(from, max, undefined, WITHIN)) }
  async blockAt(height: bigint): Promise<CommitmentRecord | undefined> { return this.#patiently(store => store.blockAt(height, WITHIN)) }
  async rewinds(after: number, by: string | undefined): Promise<RewindsSince> { return this.#patiently(store => store.rewinds(after, by, WITHIN)) }
  async txList(hash: Uint8Array): Promise<Uint8Array | undefined> { return this.#patiently(store => store.txList(hash, WITHIN)) }
  async stats(): Promise<Stats> { return this.#patiently(async store => (await readable(store)).stats) }

  async #patiently<T>(read: (store: Store) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await read(this.needs.store)
      } catch (error) {
        if (this.signal.aborted || !await this.#passes(error)) throw error
        await new Promise<void>(resolve => { this.needs.clock.setTimeout(resolve, AGAIN_AFTER) })
      }
    }
  }

  /** While the database cannot be opened again, for whatever reason, it is waited for; what it answers itself is the reader's to know. */
  async #passes(error: unknown): Promise<boolean> {
    if (PASSING.has((error as { code?: unknown } | undefined)?.code)) return true
    return !(await this.needs.store.standing(WITHIN).catch(() => undefined))?.readable
  }
}

async function readable(store: Store): Promise<StoreStanding> {
  const standing = await store.standing(WITHIN)
  if (!standing.readable) throw new StoreError('closed', 'the database does not answer')
  return standing
}
