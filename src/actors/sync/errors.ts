/** What the application can do wrong with this room. What peers do wrong is an event, never an error. */
export class SyncError extends Error {
  override readonly name = 'SyncError'
  /** `bad_config`: `value` is the option's value and `limit`, where there is one, the bound it broke. */
  constructor(readonly code: 'bad_config', message: string, readonly value?: unknown, readonly limit?: number) { super(message) }
}
