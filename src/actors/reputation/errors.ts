/** What reputation refuses, for programs. */
export const REPUTATION_ERROR_CODES = [
  /** An option out of its range: `value` is it, `limit` the bound that it broke, where there is one. */
  'bad_config',
  /** Neither a peer id, nor an IP address, nor a subnet: `value` is the rule as given. */
  'bad_rule',
  /** No peer id in its base58 form: `value` is it. */
  'bad_peer',
  /** A ban's time that is no number above 0 and at most `limit` milliseconds: `value` is it. */
  'bad_duration',
  /** `limit` rules or protected peers are kept already: `value` is the one too many. */
  'too_many_rules',
  /** `limit` bans of the operator stand already: `value` is the peer. */
  'too_many_bans',
  /** A static peer is protected by being one: `value` is the peer. */
  'static_peer',
  /** It holds now, in memory, but is not on disk; writing it is tried again. `cause`: the store's error, `value`: what was asked. */
  'not_durable',
] as const

export type ReputationErrorCode = typeof REPUTATION_ERROR_CODES[number]

export interface ReputationErrorDetail {
  readonly value?: unknown
  readonly limit?: number
  readonly cause?: unknown
}

/** Every refusal of this room. */
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
