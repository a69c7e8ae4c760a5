/** Codes of what goes wrong at the service's own face. Requests fail with `RequestError`, the store with `StoreError`. */
export type ServiceErrorCode =
  /** An option that cannot be: `value` is the option's value. */
  | 'bad_config'
  /** `publish…` of something that does not decode or is not what it must be. */
  | 'bad_message'
  /** What should be a cursor of the ordered stream is none. */
  | 'bad_cursor'
  /** There is no signer, and the commitment came unsigned. */
  | 'no_signer'
  /** The signer failed, or signed with another key than it says. */
  | 'signing_failed'
  /** `start`: a signer without a data directory would sign the same height again after a restart (H54); `unprotected: true` asks for it. */
  | 'signing_unprotected'
  /** The first catch-up has not ended, and the submission window ends first (SPEC §7): `value` is its end. */
  | 'signing_held'
  /** The submission window of the commitment is over (SPEC §6, Publishing); `late: true` publishes all the same. */
  | 'window_over'
  /** A block number above 2^64 − 2 (SPEC §6): `value`, `limit`. Nothing was signed. */
  | 'height_out_of_range'
  /** The submission window ends later than `chain.windowHorizon` from now: `value`, `limit` in seconds. Nothing was signed. */
  | 'window_too_far'
  /**
   * Blocks of elected signers are known that wait above our head, so the block would stand on a stale one: `value` is its number.
   * `behind: true` publishes all the same.
   */
  | 'behind'
  /** Our own rules refused the message: `value` is the reason in the words of SPEC §6. */
  | 'refused'
  /** The validator's mailbox is full. */
  | 'overloaded'
  /** It was judged and kept, but could not be made durable in time, and so did not leave. */
  | 'not_stored'
  /** Discovery is off in the config. */
  | 'discovery_off'
  /** The service is stopped, or the connection to it is closed. */
  | 'stopped'

/** An error at the service's face. `value` is what was offending, `limit` the bound that it broke, where there is one. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  constructor(
    readonly code: ServiceErrorCode, message: string,
    readonly value?: unknown, readonly limit?: unknown, options?: ErrorOptions,
  ) { super(message, options) }
}
