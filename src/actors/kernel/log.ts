/** The part of pino's interface that is used; pino's own `Logger` satisfies it. */
export interface Logger {
  trace(fields: object, message: string): void
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(bindings: object): Logger
}

const ignore = (): void => undefined

export const silentLogger: Logger = {
  trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silentLogger,
}
