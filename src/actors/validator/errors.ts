/**
 * `worker_died`: the thread ended (process.exit, native crash, out of memory) with the batch in hand or behind it.
 * `pool_broken`: a thread could not be started or did not answer its greeting. `pool_closed`: run after close.
 * `pool_full`: run without room. `bad_batch`: bytes that `packing.ts` did not write. `bad_config`: an option out of its range.
 */
export type ValidatorErrorCode = 'worker_died' | 'pool_broken' | 'pool_closed' | 'pool_full' | 'bad_batch' | 'bad_config'

/** `value` is what offended: an option's value, a batch's kind, what the thread died of. */
export class ValidatorError extends Error {
  override readonly name = 'ValidatorError'
  constructor(readonly code: ValidatorErrorCode, message: string, readonly value?: unknown, options?: ErrorOptions) {
    super(message, options)
  }
}
