import type { Crossing } from '../boundary.js'
import { KernelError } from '../errors.js'
import type { Message } from '../message.js'
import type { Port } from '../ref.js'
import type { FilledOptions } from './filled.js'

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

  constructor(table: object) {
    const names = this.#names = Object.keys(table)
    this.#entries = Object.values(table) as Crossing<unknown>[]
    this.#numbers = new Map(names.map((name, number) => [name, number]))
  }

  name(entry: number): string { return this.#names[entry]! }
  number(name: string): number | undefined { return this.#numbers.get(name) }

  /** @throws KernelError `not_cloneable`: its codec refused it */
  pack(entry: number, value: unknown): Packed {
    const crossing = this.#entries[entry]!
    const { codec } = crossing
    if (codec !== undefined) {
      const bytes = owned(encoded(codec, value))
      return { payload: bytes, bytes: BASE_BYTES + bytes.byteLength, transfer: [bytes.buffer], givenAway: false }
    }
    const tally = { bytes: BASE_BYTES, partial: 0 }
    const payload = compact(value, tally)
    const moved = crossing.transfer?.(payload) ?? NONE
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

/** Where views that are copied stand, so that any kind of view may. */
const ALIGN = 8
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** What a value weighs, and how much of that is in views of larger buffers. */
interface Tally { bytes: number; partial: number }

/**
 * The same value, where views of larger buffers are views of one buffer with nothing else in it: a clone of a view takes its whole buffer
 * along, and a buffer for each of a thousand views costs more than what is in them.
 */
function compact(value: unknown, tally: Tally): unknown {
  weigh(value, tally, 0)
  return tally.partial === 0 ? value : new Compactor(tally.partial).copy(value, 0)
}

const isPartial = ({ buffer, byteLength }: ArrayBufferView): boolean => byteLength !== buffer.byteLength && buffer instanceof ArrayBuffer
const isPlain = (value: object): boolean => {
  const proto: unknown = Object.getPrototypeOf(value)
  return proto === Object.prototype || proto === null
}

function weigh(value: unknown, tally: Tally, depth: number): void {
  if (typeof value === 'string') tally.bytes += value.length
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return
  if (ArrayBuffer.isView(value)) {
    tally.bytes += value.byteLength
    if (isPartial(value)) tally.partial += aligned(value.byteLength)
  } else if (value instanceof ArrayBuffer) tally.bytes += value.byteLength
  else if (Array.isArray(value)) {
    tally.bytes += 8 * value.length
    for (const part of value as readonly unknown[]) weigh(part, tally, depth + 1)
  } else if (value instanceof Map) {
    for (const [key, part] of value) { tally.bytes += 16; weigh(key, tally, depth + 1); weigh(part, tally, depth + 1) }
  } else if (value instanceof Set) for (const part of value) { tally.bytes += 8; weigh(part, tally, depth + 1) }
  else if (isPlain(value)) for (const key in value) { tally.bytes += 16; weigh((value as Record<string, unknown>)[key], tally, depth + 1) }
}

class Compactor {
  readonly #buffer: ArrayBuffer
  #at = 0

  constructor(bytes: number) { this.#buffer = new ArrayBuffer(bytes) }

  copy(value: unknown, depth: number): unknown {
    if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
    if (ArrayBuffer.isView(value)) return isPartial(value) ? this.#view(value) : value
    if (Array.isArray(value)) return value.map(part => this.copy(part, depth + 1))
    if (value instanceof Map) return new Map(Array.from(value, ([key, part]) => [this.copy(key, depth + 1), this.copy(part, depth + 1)]))
    if (value instanceof Set) return new Set(Array.from(value, part => this.copy(part, depth + 1)))
    if (!isPlain(value)) return value
    const copy: Record<string, unknown> = {}
    for (const key in value) copy[key] = this.copy((value as Record<string, unknown>)[key], depth + 1)
    return copy
  }

  #view(view: ArrayBufferView): ArrayBufferView {
    const { buffer, byteOffset, byteLength } = view
    const at = this.#at
    this.#at += aligned(byteLength)
    new Uint8Array(this.#buffer, at, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength))
    if (view instanceof DataView) return new DataView(this.#buffer, at, byteLength)
    if (view instanceof Buffer || view instanceof Uint8Array) return new Uint8Array(this.#buffer, at, byteLength)
    const { constructor, length } = view as Uint16Array
    return new (constructor as Uint16ArrayConstructor)(this.#buffer, at, length)
  }
}

/** To which port each entry goes. */
export function targets(crossings: Crossings, { boundary, ports }: Pick<FilledOptions, 'boundary' | 'ports'>): ReadonlyMap<number, Port<Message>> {
  const found: [number, Port<Message>][] = []
  for (const name of Object.keys(boundary)) {
    const port = ports[name.slice(0, name.indexOf('.'))]
    if (port !== undefined && !name.endsWith('.reply')) found.push([crossings.number(name)!, port])
  }
  return new Map(found)
}
