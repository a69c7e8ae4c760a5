/** What ends a consumer, for programs. Everything else passes, and is tried again. */
export const CONSUMER_ERROR_CODES = [
  /** An option that cannot be: `value` is it. */
  'bad_config',
  /** What should be a cursor is none of an item of this reader. */
  'bad_cursor',
  /** The packages of the broker are not installed. */
  'no_client',
  /** The broker wants other credentials. */
  'unauthorized',
  /** A message is none of the stream: `value` is its sequence. */
  'bad_message',
  /** A block's hash, signer or txlist is not what the message says: `value` is its sequence. */
  'not_authentic',
  /** A block's signer may not sign in its window, or nobody knows who may: `value` is its sequence. */
  'not_elected',
  /** Another consumer of the same name keeps its cursor: `value` is the name. */
  'taken',
] as const

export type ConsumerErrorCode = typeof CONSUMER_ERROR_CODES[number]

export class ConsumerError extends Error {
  override readonly name = 'ConsumerError'
  constructor(readonly code: ConsumerErrorCode, message: string, readonly value?: unknown, options?: ErrorOptions) { super(message, options) }
}
