/** The codes of `ReputationError`. */
export const REPUTATION_ERROR_CODES = [
  /** An option is out of range. `value`: the option; `limit`: the bound that it broke, if there is one. */
  'bad_config',
  /** A rule is neither a peer id, nor an IP address, nor a subnet. `value`: the rule as given. */
  'bad_rule',
  /** Not a peer id in base58. `value`: the text as given. */
  'bad_peer',
  /** The duration of a ban is not above 0 and at most `limit` milliseconds. `value`: the duration. */
  'bad_duration',
  /** The maximum of `limit` rules or protected peers is reached. `value`: the rule or peer that was not added. */
  'too_many_rules',
  /** The maximum of `limit` bans by the operator is reached. `value`: the peer that was not banned. */
  'too_many_bans',
  /** A static peer cannot be unprotected. `value`: the peer. */
  'static_peer',
  /** The change applies, but is not on disk; the write is retried. `cause`: the store's error; `value`: the peer or rule of the call. */
  'not_durable',
] as const

export type ReputationErrorCode = typeof REPUTATION_ERROR_CODES[number]

export interface ReputationErrorDetail {
  readonly value?: unknown
  readonly limit?: number
  readonly cause?: unknown
}

/** The error of every refused call, with a code. */
export class ReputationError extends Error {
  override readonly name = 'ReputationError'
  readonly value: unknown
  readonly limit: number | undefined

  constructor(readonly code: ReputationErrorCode, message: string, detail: ReputationErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.value = detail.value
    this.limit = detail.limit
  }
}
