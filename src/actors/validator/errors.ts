/**
 * `worker_died`: the thread ended (process.exit, native crash, out of memory) while it held the batch, or the batch was queued behind it.
 * `pool_broken`: a thread could not be started or did not answer its greeting. `pool_closed`: run after close.
 * `pool_full`: no worker had room for the batch. `bad_batch`: bytes that `packing.ts` did not write. `bad_config`: an option out of range.
 */
export type ValidatorErrorCode = 'worker_died' | 'pool_broken' | 'pool_closed' | 'pool_full' | 'bad_batch' | 'bad_config'

/** `value` is the offending value: of an option, of a batch's kind, or the id of a thread. */
export class ValidatorError extends Error {
  override readonly name = 'ValidatorError'
  constructor(readonly code: ValidatorErrorCode, message: string, readonly value?: unknown, options?: ErrorOptions) {
    super(message, options)
  }
}
