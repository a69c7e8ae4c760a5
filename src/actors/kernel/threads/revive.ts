import { RemoteError } from '../boundary.js'
import type { WireError } from '../boundary.js'
import {
  CancelledError, ClosedError, CrashedError, DroppedError, EscalatedError, InterruptedError, KernelError, StartError, TimeoutError,
} from '../errors.js'

/** A class of errors, known by its own name. */
export type ErrorClass = abstract new (...args: never[]) => Error

const KNOWN: readonly ErrorClass[] = [
  KernelError, TimeoutError, CancelledError, ClosedError, DroppedError, CrashedError, InterruptedError, StartError, EscalatedError,
  Error, AggregateError, TypeError, RangeError, SyntaxError,
]

/** Makes an error again as what it was on the other side; one of a class that nobody has named is a `RemoteError`. */
export class Reviver {
  readonly #classes: ReadonlyMap<string, ErrorClass>

  constructor(classes: readonly ErrorClass[] = []) { this.#classes = new Map([...KNOWN, ...classes].map(each => [each.name, each])) }

  revive(wire: WireError): Error {
    const known = this.#classes.get(wire.name)
    const { message, name, code, value, limit, stack } = wire
    if (known === undefined) return new RemoteError(wire)
    const cause = wire.cause === undefined ? undefined : { cause: this.revive(wire.cause) }
    // Without its constructor, whose arguments nobody knows: an `Error` with that class's prototype.
    const error: unknown = Reflect.construct(Error, [message, cause], known)
    if (!(error instanceof Error)) return new RemoteError(wire)
    const fields = {
      ...name !== error.name && { name }, ...code !== undefined && { code }, ...value !== undefined && { value }, ...limit !== undefined && { limit },
      ...wire.errors !== undefined && { errors: wire.errors.map(each => this.revive(each)) },
    }
    for (const [key, each] of Object.entries(fields)) Object.defineProperty(error, key, { value: each, enumerable: true, writable: true, configurable: true })
    if (stack !== undefined) error.stack = stack
    return error
  }
}
