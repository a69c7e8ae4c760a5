import { seconds, threadActor } from '../kernel/index.js'
import type { ThreadOptions } from '../kernel/index.js'
import type { DatabaseLimits } from './database.js'
import { StoreError } from './errors.js'
import { storeBoundary, storeMailbox } from './ingress.js'
import type { StorePorts } from './ingress.js'
import { releaseLock } from './lock.js'
import { newToken } from './token.js'

export interface StoreOptions extends Pick<ThreadOptions, 'hangWithin' | 'thread'> {
  /** The node's data directory, made where missing. Left out: everything is in memory, inline, and gone with the actor. */
  readonly dataDir?: string | undefined
  /** Refuses a directory of another chain. Left out: not asked. */
  readonly chainId?: bigint | undefined
  readonly limits?: Partial<DatabaseLimits>
}

/**
 * The store as a child: started again for as long as it takes, since nothing can go on without it for good. Its thread may die, the directory may be
 * unreadable for a while; chain keeps what is not stored meanwhile (H33). What was sent to it before a stop is on disk after it.
 */
export const STORE_CHILD = {
  maxRestarts: Infinity, backoff: { firstMs: 200, maxMs: 10_000, factor: 2, jitter: 0.2 }, stopWithin: seconds(10), drainWithin: seconds(8),
} as const

/** The store: in a thread of its own where there is a data directory. For `child`, which calls the result for each of its lives. */
export function store(ports: StorePorts, { dataDir, chainId, limits, thread = dataDir !== undefined, ...rest }: StoreOptions = {}) {
  const token = newToken()
  return () => threadActor({
    name: 'store', module: new URL('./actor.js', import.meta.url), export: 'storing', mailbox: storeMailbox, boundary: storeBoundary,
    params: { dataDir, token, chainId, ...limits !== undefined && { limits } }, ports, errors: [StoreError], thread, ...rest,
    // A thread that was ended before it could let the directory go.
    ...dataDir !== undefined && { exited: () => releaseLock(dataDir, token) },
  })
}
