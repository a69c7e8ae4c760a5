import { Broadcast } from '../kernel/index.js'
import type { Lagged } from '../kernel/index.js'
import type { SyncEvent, SyncResult } from '../sync/ingress.js'
import { isSyncEvent } from './events.js'

/**
 * A catch-up under way: `await` it for its result, or follow it with `for await` (progress, faults of peers, its end). Ends by
 * itself.
 */
export class CatchUp implements PromiseLike<SyncResult>, AsyncIterable<SyncEvent | Lagged> {
  readonly #result: Promise<SyncResult>
  readonly #events = new Broadcast<SyncEvent>()
  /** Begun at once, so that whoever follows it a moment later misses nothing. */
  readonly #first = this.#events.subscribe()
  #followed = false

  /** @param all what the whole node says, from before the start on; left when the catch-up has ended */
  constructor(result: Promise<SyncResult>, all: AsyncIterableIterator<{ readonly type: string }>) {
    this.#result = result
    void (async () => {
      for await (const event of all) if (isSyncEvent(event)) this.#events.publish(event)
      this.#events.close()
    })()
    // Whoever only follows it is not to be surprised by a rejection.
    // The end itself was said before the result: it goes out first.
    const leave = () => { setImmediate(() => { void all.return?.() }) }
    result.then(leave, leave)
  }

  then<A = SyncResult, B = never>(
    fulfilled?: ((result: SyncResult) => A | PromiseLike<A>) | null, rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(fulfilled, rejected)
  }

  [Symbol.asyncIterator](): AsyncIterator<SyncEvent | Lagged> {
    if (this.#followed) return this.#events.subscribe()
    this.#followed = true
    return this.#first
  }
}
