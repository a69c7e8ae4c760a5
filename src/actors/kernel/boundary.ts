/** Which way values of an entry cross. `in`: to the thread that does the work; `out`: back from it. */
export type Direction = 'in' | 'out' | 'both'

/** One entry of a thread boundary. */
export interface Crossing<T> {
  readonly direction: Direction
  /** A value of the entry, as full as it can be: a test sends it through a thread and compares. */
  readonly sample: () => T
}

/** Everything that crosses one thread boundary, by name. An entry too few, or one too many, does not compile. */
export type Boundary<Crossings> = { readonly [K in keyof Crossings]: Crossing<Crossings[K]> }

/** Declares a boundary: `boundary<PoolCrossings>({ batch: { direction: 'in', sample: … }, verdicts: { … } })`. */
export const boundary = <Crossings>(table: Boundary<Crossings>): Boundary<Crossings> => table

type Fn = (...args: never[]) => unknown
type Methods<Api> = { [K in keyof Api & string]: Api[K] extends Fn ? K : never }[keyof Api & string]

/** The crossings of an object that is called from another thread: arguments and result of each of its methods. */
export type CallsOf<Api> =
  & { readonly [K in Methods<Api> as `${K}.args`]: Api[K] extends Fn ? Parameters<Api[K]> : never }
  & { readonly [K in Methods<Api> as `${K}.result`]: Api[K] extends Fn ? Awaited<ReturnType<Api[K]>> : never }

/** An error as it crosses: a clone of an `Error` keeps neither its class nor its code. */
export interface WireError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly value?: unknown
  readonly limit?: unknown
  readonly stack?: string
  readonly cause?: WireError
}

/** An error that came from another thread, with the name and the code that it had there. */
export class RemoteError extends Error {
  override readonly name: string
  readonly code: string | undefined
  readonly value: unknown
  readonly limit: unknown

  constructor(wire: WireError) {
    super(wire.message, wire.cause === undefined ? undefined : { cause: new RemoteError(wire.cause) })
    this.name = wire.name
    this.code = wire.code
    this.value = wire.value
    this.limit = wire.limit
    if (wire.stack !== undefined) this.stack = wire.stack
  }
}

/** The deepest chain of causes that crosses. */
const MAX_CAUSES = 8

export function toWire(thrown: unknown, causes = MAX_CAUSES): WireError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown) }
  const { code, value, limit } = thrown as { code?: unknown; value?: unknown; limit?: unknown }
  return {
    name: thrown.name,
    message: thrown.message,
    ...typeof code === 'string' && { code },
    ...value !== undefined && { value: plain(value) },
    ...limit !== undefined && { limit: plain(limit) },
    ...thrown.stack !== undefined && { stack: thrown.stack },
    ...thrown.cause !== undefined && causes > 0 && { cause: toWire(thrown.cause, causes - 1) },
  }
}

export const fromWire = (wire: WireError): RemoteError => new RemoteError(wire)

/** The value where it can be cloned, else how it prints. */
function plain(value: unknown): unknown {
  try { return structuredClone(value) } catch { return String(value) }
}
