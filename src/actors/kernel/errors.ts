/** Every error of the kernel: `code` tells the kind, `value` is what offended (a path, a name, milliseconds). */
export class KernelError extends Error {
  override readonly name: string = 'KernelError'
  constructor(readonly code: string, message: string, readonly value?: unknown, options?: ErrorOptions) {
    super(message, options)
  }
}

/** A deadline passed first. `value`: the milliseconds given; `cause`: what was known to be wrong by then. */
export class TimeoutError extends KernelError {
  override readonly name = 'TimeoutError'
  constructor(what: string, ms: number, cause?: unknown) {
    super('timeout', `${what}: nothing within ${ms} ms${cause === undefined ? '' : `: ${textOf(cause)}`}`, ms, cause === undefined ? {} : { cause })
  }
}

/** The caller's signal was aborted. `cause`: the signal's reason. */
export class CancelledError extends KernelError {
  override readonly name = 'CancelledError'
  constructor(what: string, reason: unknown) { super('cancelled', `${what}: cancelled`, undefined, { cause: reason }) }
}

/** The actor is stopped for good. `value`: its path. */
export class ClosedError extends KernelError {
  override readonly name = 'ClosedError'
  constructor(path: string) { super('closed', `${path} is closed`, path) }
}

/** The mailbox did not take or did not keep the message. `value`: why (see `DropReason`). */
export class DroppedError extends KernelError {
  override readonly name = 'DroppedError'
  constructor(path: string, reason: string) { super(reason, `${path} did not handle the message: ${reason}`, reason) }
}

/** The actor failed while it handled this message or before it had answered. `cause`: what was thrown. */
export class CrashedError extends KernelError {
  override readonly name = 'CrashedError'
  constructor(path: string, cause: unknown) { super('crashed', `${path} crashed`, path, { cause }) }
}

/** The actor was ended or restarted before it had answered; asking again may succeed. `value`: its path; `cause`: its failure. */
export class InterruptedError extends KernelError {
  override readonly name = 'InterruptedError'
  constructor(path: string, cause?: unknown) {
    super('interrupted', `${path} ended before it was done`, path, cause === undefined ? {} : { cause })
  }
}

/** A child did not start; those before it are stopped again. `value`: its path; `cause`: what was thrown. */
export class StartError extends KernelError {
  override readonly name = 'StartError'
  constructor(path: string, cause: unknown) { super('start_failed', `${path} did not start: ${textOf(cause)}`, path, { cause }) }
}

/** A child failed more often than its budget allows. `value`: its path; `cause`: the last failure. */
export class EscalatedError extends KernelError {
  override readonly name = 'EscalatedError'
  constructor(path: string, cause: unknown) { super('escalated', `${path} keeps failing: ${textOf(cause)}`, path, { cause }) }
}

/** What anything thrown says of itself; never throws, whatever it is. */
export function textOf(thrown: unknown): string {
  try { return String(thrown instanceof Error ? thrown.message : thrown) } catch { return 'something that cannot be told' }
}
