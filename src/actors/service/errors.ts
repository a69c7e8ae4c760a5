/** The codes of `ServiceError`. Requests to peers fail with `RequestError`, the store with `StoreError`. */
export type ServiceErrorCode =
  /** An option is invalid. `value`: its value. */
  | 'bad_config'
  /** The message given to `publish…` is malformed. */
  | 'bad_message'
  /** The text is not a cursor of the ordered stream. */
  | 'bad_cursor'
  /** The commitment is unsigned, and no signer is configured. */
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
  /** The commitment was accepted, but could not be written to disk in time, so it was not sent. */
  | 'not_stored'
  /** Discovery is off in the config. */
  | 'discovery_off'
  /** The service is stopped, or the connection to it is closed. */
  | 'stopped'

/** An error of a call of the service. `value`: the offending value; `limit`: the bound that it broke, if there is one. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  constructor(
    readonly code: ServiceErrorCode, message: string,
    readonly value?: unknown, readonly limit?: unknown, options?: ErrorOptions,
  ) { super(message, options) }
}
