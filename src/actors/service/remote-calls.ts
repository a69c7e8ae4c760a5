import { ChainError } from '../chain/errors.js'
import { isErrorLike } from '../../protocol/thrown.js'
import { Reviver, toWire } from '../kernel/index.js'
import type { Lagged, WireError } from '../kernel/index.js'
import { NetworkError, RequestError } from '../network/errors.js'
import { ReputationError } from '../reputation/errors.js'
import { StoreError } from '../store/errors.js'
import { ServiceError } from './errors.js'
import type { NetworkEvent } from './events.js'
import type { P2pService } from './service.js'

/** What of a service is called from another thread: everything whose arguments and answers are data. */
export const CALLS = [
  'publishCommitment', 'publishTxList', 'requestHead', 'requestCommitments', 'requestTxList', 'head', 'updateHead', 'confirm', 'rewind',
  'reinstate', 'evidence', 'storedCommitments', 'storedTxList', 'dial', 'hangUp', 'peers', 'peerCount', 'listenAddresses', 'enr', 'addBootnode',
  'health', 'figures',
] as const satisfies readonly (keyof P2pService)[]
export type Call = typeof CALLS[number]
/** What of it is read item by item, at the reader's pace. */
export type Stream = 'subscribe' | 'blocks'

/** Errors are data, since a clone of one loses its class and code. */
export type Outcome<T> = { readonly ok: T } | { readonly error: WireError }

/** Across the port, by Comlink. `id`: names the call or the stream, so that it can be ended. */
export interface RemoteApi {
  call (id: number, name: Call, args: readonly unknown[], cancellable: boolean): Promise<Outcome<unknown>>
  open (id: number, stream: Stream, options: object): Promise<Outcome<undefined>>
  pull (id: number): Promise<Outcome<{ readonly value: unknown; readonly done: boolean }>>
  /** Ends a stream, or aborts a call; one that is over is let be. */
  end (id: number): Promise<void>
}

const reviver = new Reviver([ServiceError, ChainError, NetworkError, RequestError, StoreError, ReputationError])

export const failed = (error: unknown): { readonly error: WireError } => ({ error: toWire(error) })

/** @throws what the other side threw, as what it was there */
export function opened<T>(outcome: Outcome<T>): T {
  if ('error' in outcome) throw reviver.revive(outcome.error)
  return outcome.ok
}

/** An error in an event, on its way. */
interface Wired { readonly wire: WireError }
const isWired = (value: unknown): value is Wired => typeof value === 'object' && value !== null && Object.keys(value).length === 1 && 'wire' in value

/** Events may have an error in `error`. */
export function packItem(item: unknown): unknown {
  const { error } = item as { readonly error?: unknown }
  return isErrorLike(error) ? { ...item as object, error: { wire: toWire(error) } satisfies Wired } : item
}

export function unpackItem(item: unknown): NetworkEvent | Lagged {
  const { error } = item as { readonly error?: unknown }
  return (isWired(error) ? { ...item as object, error: reviver.revive(error.wire) } : item) as NetworkEvent | Lagged
}
