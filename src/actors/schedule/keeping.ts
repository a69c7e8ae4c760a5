import type { Logger } from '../kernel/index.js'
import type { Store } from '../store/ingress.js'
import type { ScheduleConfig } from './config.js'
import type { Kept } from './opening.js'
import { NAMES, chunksOf, decode, encode } from './saved.js'

/** Keeps what is finalized in the store: the lookaheads in pieces, so that an epoch costs one of them. */
export class Keeper {
  #writing = false
  #failing = false
  /** What is on disk, by name. */
  readonly #onDisk = new Map<string, string>()

  constructor(private readonly store: Pick<Store, 'meta' | 'setMeta'>, private readonly config: Pick<ScheduleConfig, 'storeWithin'>) {}

  /** What was kept; `undefined` where there is nothing, or nothing that can be read: L1 is asked again then. */
  async read({ log }: { readonly log: Logger }): Promise<Kept | undefined> {
    const { storeWithin } = this.config
    const text = await this.store.meta(NAMES.record, storeWithin)
    if (text === undefined) return undefined
    try {
      const pieces = await Promise.all(chunksOf(text).map(async name => {
        const piece = await this.store.meta(name, storeWithin)
        if (piece !== undefined) this.#onDisk.set(name, piece)
        return piece
      }))
      this.#onDisk.set(NAMES.record, text)
      return decode(text, pieces)
    } catch (error) {
      log.error({ error }, 'what L1 had said cannot be read from disk: L1 is asked again')
      return undefined
    }
  }

  /** Writes what has changed, the lookaheads before the record that names them; `undefined`: a write is under way, or nothing has changed. */
  write(kept: Kept): Promise<void> | undefined {
    if (this.#writing) return undefined
    const texts = [...encode(kept)].filter(([name, text]) => this.#onDisk.get(name) !== text)
    if (texts.length === 0) return undefined
    this.#writing = true
    return (async () => {
      for (const [name, text] of texts) {
        await this.store.setMeta(name, text, this.config.storeWithin)
        this.#onDisk.set(name, text)
      }
    })()
  }

  written(): void {
    this.#writing = false
    this.#failing = false
  }

  /** @returns whether it is the first time in a row */
  failed(): boolean {
    const first = !this.#failing
    this.#writing = false
    this.#failing = true
    return first
  }
}
