/** What goes wrong with a sink, for programs. */
export const SINK_ERROR_CODES = [
  /** An option that cannot be: `value` is it. */
  'bad_config',
  /** What the sink needs to reach its engine is not installed. */
  'no_client',
  /** The engine cannot be reached, or the connection to it ended. */
  'away',
  /** It did not answer in time: what was sent may be there or not. */
  'timeout',
  /** It wants other credentials. */
  'unauthorized',
  /** It is not set up as the stream needs it; the message says what is wrong. */
  'misconfigured',
  /** It has no room. */
  'full',
  /** A message is larger than it takes: `value` bytes. */
  'too_large',
  /** What the messages go into is not there any more. */
  'gone',
  /** The last message is another one than was expected: somebody else writes, or an answer was lost. */
  'refused',
  /** A message there is none of this stream: `value` is its sequence. */
  'bad_message',
  /** With delivery `confirmed`: what was delivered as settled is not on our chain. Nothing is written until that is sorted out. */
  'conflict',
  /** Anything else that the engine answers. */
  'failed',
] as const

export type SinkErrorCode = typeof SINK_ERROR_CODES[number]

/** Every failure of a sink. `value` is what was offending. */
export class SinkError extends Error {
  override readonly name = 'SinkError'
  constructor(readonly code: SinkErrorCode, message: string, readonly value?: unknown, options?: ErrorOptions) { super(message, options) }
}
