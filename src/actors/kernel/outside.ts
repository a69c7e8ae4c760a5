import { AsyncResource } from 'node:async_hooks'
import type { Logger } from './log.js'

/*
 * The edge between the kernel and the code of an application: what it is called with, what it may throw, and in which context it runs.
 */

/** Whether `await` would wait for it: a promise, also one of another realm, or anything with a `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** Runs code of the application. What it throws, or what its promise rejects with, goes to `threw` and no further. */
export function attempt<T>(run: () => T, threw: (error: unknown) => void): T | undefined {
  try {
    const result = run()
    if (isThenable(result)) Promise.resolve(result).then(undefined, threw)
    return result
  } catch (error) { threw(error) }
  return undefined
}

/** The same, with the log told. */
export function guarded<T>(log: Logger, what: string, run: () => T): T | undefined {
  return attempt(run, error => { log.error({ err: error }, `${what} threw`) })
}

const ignore = (): void => undefined

/** A logger that never throws: a line that cannot be written is lost, and nothing else. */
export class SafeLogger implements Logger {
  static over(log: Logger): SafeLogger { return log instanceof SafeLogger ? log : new SafeLogger(log) }

  private constructor(private readonly log: Logger) {}

  trace(fields: object, message: string): void { attempt(() => this.log.trace(fields, message), ignore) }
  debug(fields: object, message: string): void { attempt(() => this.log.debug(fields, message), ignore) }
  info(fields: object, message: string): void { attempt(() => this.log.info(fields, message), ignore) }
  warn(fields: object, message: string): void { attempt(() => this.log.warn(fields, message), ignore) }
  error(fields: object, message: string): void { attempt(() => this.log.error(fields, message), ignore) }
  child(bindings: object): SafeLogger { return new SafeLogger(attempt(() => this.log.child(bindings), ignore) ?? this.log) }
}

const nobody = new AsyncResource('actors')

/** Runs in no caller's `AsyncLocalStorage` context: an actor is nobody's request. */
export const inNoContext = (run: () => void): void => { nobody.runInAsyncScope(run) }
