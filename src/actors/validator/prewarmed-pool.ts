import type { PoolConfig } from './config.js'
import type { ValidatorError } from './errors.js'
import { openPool } from './pool.js'
import type { CheckPool, OpenPool, PoolEvents, PoolNeeds } from './pool.js'

/**
 * Starts the worker threads before the actor that owns them, so that they load their libraries while the main thread loads its own. The
 * first `open` takes these threads; a later one, such as after a crash, starts new ones.
 */
export class PrewarmedPool {
  #begun: Begun | undefined
  readonly #openPool: OpenPool

  /** @param open opens a pool; replaced in tests */
  constructor(open: OpenPool = openPool) { this.#openPool = open }

  /** Begins to start the threads. To be called once. A failure is thrown by `open`. */
  begin(needs: PoolNeeds, config: PoolConfig): void {
    const begun: Begun = { owner: undefined, broken: undefined, pool: undefined }
    begun.pool = this.#openPool(needs, config, {
      ready: () => { begun.owner?.ready() },
      broken: error => {
        begun.broken = error
        begun.owner?.broken(error)
      },
      alarm: evidence => { begun.owner?.alarm?.(evidence) },
    })
    // handled here, because `open` may be called later
    begun.pool.catch(() => undefined)
    this.#begun = begun
  }

  /** The pool that was begun; a new one if that is taken already. The caller owns it and must close it. */
  readonly open: OpenPool = async (needs, config, events) => {
    const begun = this.#begun
    this.#begun = undefined
    if (begun?.pool === undefined) return this.#openPool(needs, config, events)
    begun.owner = events
    const pool = await begun.pool
    if (begun.broken === undefined) return pool
    await pool.close()
    throw begun.broken
  }

  /** Ends the threads if no `open` has taken them. */
  async close(): Promise<void> {
    const begun = this.#begun
    this.#begun = undefined
    await begun?.pool?.then(pool => pool.close(), () => undefined)
  }
}

interface Begun {
  owner: PoolEvents | undefined
  /** The failure of the pool, if it failed before it was taken. */
  broken: ValidatorError | undefined
  pool: Promise<CheckPool> | undefined
}
