import type { Boundary, Crossing } from '../boundary.js'
import { KernelError } from '../errors.js'

/** A value as it is posted. */
export interface Packed {
  readonly payload: unknown
  /** What the other side has to hold for it, roughly. */
  readonly bytes: number
  /** Buffers that go over to the other side. */
  readonly transfer: readonly ArrayBuffer[]
  /** The sender's own buffers are among them: it cannot be sent again. */
  readonly givenAway: boolean
}

/** What any value is counted as, beside its bytes. */
const BASE_BYTES = 64
/** Nesting that is looked into for views and sizes. */
const MAX_DEPTH = 32

/** The entries of one boundary by number, which both sides derive from the same table. */
export class Crossings {
  readonly #names: readonly string[]
  readonly #entries: readonly Crossing<unknown>[]
  readonly #numbers: ReadonlyMap<string, number>

  constructor(table: Boundary<object>) {
    const names = this.#names = Object.keys(table)
    this.#entries = Object.values(table) as Crossing<unknown>[]
    this.#numbers = new Map(names.map((name, number) => [name, number]))
  }

  name(entry: number): string { return this.#names[entry]! }
  number(name: string): number | undefined { return this.#numbers.get(name) }

  /** @throws KernelError `not_cloneable`: its codec refused it */
  pack(entry: number, value: unknown): Packed {
    const { codec, transfer } = this.#entries[entry]!
    if (codec !== undefined) {
      const bytes = owned(encoded(codec, value))
      return { payload: bytes, bytes: BASE_BYTES + bytes.byteLength, transfer: [bytes.buffer], givenAway: false }
    }
    const tally = { bytes: BASE_BYTES }
    const payload = compact(value, tally, 0)
    const moved = transfer?.(payload) ?? NONE
    return { payload, bytes: tally.bytes, transfer: moved, givenAway: moved.length > 0 }
  }

  /** @throws whatever its codec throws */
  unpack(entry: number, payload: unknown): unknown {
    const { codec } = this.#entries[entry]!
    return codec === undefined ? payload : codec.decode(payload as Uint8Array<ArrayBuffer>)
  }

  /** There and back within one thread, as it would be through another one. @throws KernelError `not_cloneable` */
  through(entry: number, value: unknown): unknown {
    const { payload, transfer } = this.pack(entry, value)
    let clone: unknown
    try { clone = structuredClone(payload, { transfer: [...transfer] }) } catch (cause) { throw notCloneable(cause) }
    return this.unpack(entry, clone)
  }
}

const NONE: readonly ArrayBuffer[] = []

export function notCloneable(cause: unknown): KernelError {
  if (cause instanceof KernelError && cause.code === 'not_cloneable') return cause
  return new KernelError('not_cloneable', 'it cannot cross to another thread', undefined, { cause })
}

function encoded(codec: NonNullable<Crossing<unknown>['codec']>, value: unknown): Uint8Array {
  try { return codec.encode(value) } catch (cause) { throw notCloneable(cause) }
}

/** The bytes in a buffer that may be given away: not one of Node's pool, nor one with much beside them. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = bytes.byteLength === bytes.buffer.byteLength
  const most = !(bytes instanceof Buffer) && bytes.byteLength * 2 >= bytes.buffer.byteLength
  return (whole || most) && bytes.buffer instanceof ArrayBuffer ? bytes as Uint8Array<ArrayBuffer> : Uint8Array.from(bytes)
}

/** The same value, where views into larger buffers are copies: a clone of a view would take its whole buffer along. */
function compact(value: unknown, tally: { bytes: number }, depth: number): unknown {
  if (typeof value === 'string') { tally.bytes += value.length; return value }
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
  if (ArrayBuffer.isView(value)) return exact(value, tally)
  if (value instanceof ArrayBuffer) { tally.bytes += value.byteLength; return value }
  if (Array.isArray(value)) {
    tally.bytes += 8 * value.length
    let copy: unknown[] | undefined
    for (let at = 0; at < value.length; at++) {
      const part: unknown = value[at]
      const inner = compact(part, tally, depth + 1)
      if (inner !== part) (copy ??= [...value] as unknown[])[at] = inner
    }
    return copy ?? value
  }
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto === Object.prototype || proto === null) {
    let copy: Record<string, unknown> | undefined
    for (const key in value) {
      const part = (value as Record<string, unknown>)[key]
      tally.bytes += 16
      const inner = compact(part, tally, depth + 1)
      if (inner !== part) (copy ??= { ...value as Record<string, unknown> })[key] = inner
    }
    return copy ?? value
  }
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, part]) => [compact(key, tally, depth + 1), compact(part, tally, depth + 1)]))
  }
  if (value instanceof Set) return new Set(Array.from(value, part => compact(part, tally, depth + 1)))
  return value
}

function exact(view: ArrayBufferView, tally: { bytes: number }): ArrayBufferView {
  tally.bytes += view.byteLength
  const { buffer, byteOffset, byteLength } = view
  if (byteLength === buffer.byteLength || !(buffer instanceof ArrayBuffer)) return view
  const copy = buffer.slice(byteOffset, byteOffset + byteLength)
  if (view instanceof DataView) return new DataView(copy)
  if (view instanceof Buffer) return new Uint8Array(copy)
  return new (view.constructor as new (buffer: ArrayBuffer) => ArrayBufferView)(copy)
}
