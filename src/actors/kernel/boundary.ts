import { textOf } from './errors.js'

/** Which way values of an entry cross. `in`: to the thread that does the work; `out`: back from it. */
export type Direction = 'in' | 'out' | 'both'

/** One entry of a thread boundary. */
export interface Crossing<T> {
  readonly direction: Direction
  /** A value of the entry, as full as it can be: a test sends it through a thread and compares. */
  readonly sample: () => T
  /** As bytes rather than as a structured clone: for what has many small parts, or a class. The bytes move; what `decode` gives may be views. */
  readonly codec?: Codec<T>
  /** Buffers of the value that move rather than being copied: whoever sends it gives them away, also where it is then not handled. */
  transfer?(value: T): readonly ArrayBuffer[]
}

export interface Codec<T> { encode(value: T): Uint8Array; decode(bytes: Uint8Array<ArrayBuffer>): T }

/** Everything that crosses one thread boundary, by name. An entry too few, or one too many, does not compile. */
export type Boundary<Crossings> = { readonly [K in keyof Crossings]: Crossing<Crossings[K]> }

/** Declares a boundary: `boundary<PoolCrossings>({ batch: { direction: 'in', sample: … }, verdicts: { … } })`. */
export const boundary = <Crossings>(table: Boundary<Crossings>): Boundary<Crossings> => table

export type Fn = (...args: never[]) => unknown
export type Methods<Api> = { [K in keyof Api & string]: Api[K] extends Fn ? K : never }[keyof Api & string]

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
  /** Of an `AggregateError`. */
  readonly errors?: readonly WireError[]
}

/** An error that came from another thread, with the name and the code that it had there. */
export class RemoteError extends Error {
  override readonly name: string
  readonly code: string | undefined
  readonly value: unknown
  readonly limit: unknown
  readonly errors: readonly RemoteError[] | undefined

  constructor(wire: WireError) {
    super(wire.message, wire.cause === undefined ? undefined : { cause: new RemoteError(wire.cause) })
    this.errors = wire.errors?.map(fromWire)
    this.name = wire.name
    this.code = wire.code
    this.value = wire.value
    this.limit = wire.limit
    if (wire.stack !== undefined) this.stack = wire.stack
  }
}

/** The deepest chain of causes, and the longest list of errors in one, that cross. */
const MAX_CAUSES = 8
const MAX_ERRORS = 8

/** Whatever was thrown, as it crosses. Never throws itself. */
export function toWire(thrown: unknown, causes = MAX_CAUSES): WireError {
  if (!isObject(thrown)) return { name: 'Error', message: textOf(thrown) }
  const field = (name: string): unknown => { try { return (thrown as Record<string, unknown>)[name] } catch { return undefined } }
  const text = (name: string): string | undefined => { const value = field(name); return typeof value === 'string' ? value : undefined }
  const [code, stack, value, limit, cause, errors] = [text('code'), text('stack'), field('value'), field('limit'), field('cause'), field('errors')]
  return {
    name: text('name') ?? 'Error',
    message: text('message') ?? textOf(thrown),
    ...code !== undefined && { code },
    ...value !== undefined && { value: plain(value) },
    ...limit !== undefined && { limit: plain(limit) },
    ...stack !== undefined && { stack },
    ...cause !== undefined && causes > 0 && { cause: toWire(cause, causes - 1) },
    ...Array.isArray(errors) && causes > 0 && { errors: errors.slice(0, MAX_ERRORS).map(each => toWire(each, Math.min(1, causes - 1))) },
  }
}

export const fromWire = (wire: WireError): RemoteError => new RemoteError(wire)

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** The value where it can be cloned, else how it prints. */
function plain(value: unknown): unknown {
  try { return structuredClone(value) } catch { return textOf(value) }
}
