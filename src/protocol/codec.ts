import { describe, ProtocolError } from './errors.js'

/** Turns a container into its SSZ bytes and back (SPEC §3). */
export interface Codec<T> {
  /** The container's name in SPEC §3. */
  readonly name: string
  /** Bytes of the largest encoding. */
  readonly maxSize: number
  /** @throws ProtocolError `invalid_value`, `invalid_length` or `list_too_long`, with the field where it stands */
  encode(value: T): Uint8Array
  /**
   * Strict: a value decodes from exactly one sequence of bytes. Allocates no more than about the size of `bytes`.
   * @throws ProtocolError `invalid_size`, `invalid_bool`, `invalid_offset` or `list_too_long`
   */
  decode(bytes: Uint8Array): T
}

/** The two operations that this room uses of the SSZ library. */
interface SszType<T> {
  serialize(value: T): Uint8Array
  deserialize(bytes: Uint8Array): T
}

/** How a container is described: its SSZ type, and the checks before the library is given anything. */
export interface CodecSpec<T> {
  readonly name: string
  readonly maxSize: number
  readonly type: SszType<T>
  /** Throws for bytes whose size, bools or offsets are wrong; after it, decoding cannot fail. */
  checkBytes(bytes: Uint8Array): unknown
  /** Throws for a value that has no encoding; after it, encoding cannot fail. */
  checkValue(value: T, path: string): void
}

/**
 * The library decodes; the checks before it are ours, because its errors are plain text, it takes any truthy value for
 * a bool, wraps integers out of range, and pads or cuts byte fields of a wrong length when it encodes.
 */
export function codec<T>(spec: CodecSpec<T>): Codec<T> & CodecSpec<T> {
  return {
    ...spec,
    encode(value) {
      checkObject(value, spec.name)
      spec.checkValue(value, spec.name)
      return spec.type.serialize(value)
    },
    decode(bytes) {
      spec.checkBytes(bytes)
      try {
        // Of a Buffer the library would make Buffers.
        return spec.type.deserialize(plainView(bytes))
      } catch (cause) {
        throw new ProtocolError('invalid_ssz', `${spec.name}: not valid SSZ`, { value: bytes.length }, { cause })
      }
    },
  }
}

/** @throws ProtocolError `invalid_size` */
export function checkSize(name: string, bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) {
    const detail = { value: bytes.length, limit: size }
    throw new ProtocolError('invalid_size', `${name}: ${bytes.length} bytes, must be ${size}`, detail)
  }
}

/** The one bool of every commitment is its first byte. @throws ProtocolError `invalid_bool` */
export function checkBoolAt(name: string, bytes: Uint8Array, offset: number): void {
  const value = bytes[offset]
  if (value !== 0 && value !== 1) throw new ProtocolError('invalid_bool', `${name}: a bool of ${value}`, { value })
}

/**
 * The single list of a container stands last, so that its offset is the size of what comes before it.
 * @throws ProtocolError `invalid_size` where the bytes end before the list, `invalid_offset`
 */
export function checkOffset(name: string, bytes: Uint8Array, fixedSize: number): void {
  if (bytes.length < fixedSize) {
    const detail = { value: bytes.length, limit: fixedSize }
    throw new ProtocolError('invalid_size', `${name}: ${bytes.length} bytes, must be at least ${fixedSize}`, detail)
  }
  const offset = readUint32(bytes, fixedSize - 4)
  if (offset !== fixedSize) {
    const detail = { value: offset, limit: fixedSize }
    throw new ProtocolError('invalid_offset', `${name}: offset ${offset}, must be ${fixedSize}`, detail)
  }
}

/** Little-endian; the caller knows that four bytes are there. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! | bytes[offset + 1]! << 8 | bytes[offset + 2]! << 16 | bytes[offset + 3]! << 24) >>> 0
}

/** @throws ProtocolError `list_too_long` */
export function checkCount(name: string, count: number, limit: number): void {
  if (count > limit) throw new ProtocolError('list_too_long', `${name}: ${count}, at most ${limit}`, { value: count, limit })
}

const UINT256_END = 1n << 256n

/** @throws ProtocolError `invalid_value` for anything but a bigint in 0 ≤ n < 2^256 */
export function checkUint256(value: unknown, path: string, key: string): void {
  if (typeof value === 'bigint' && value >= 0n && value < UINT256_END) return
  throw badValue(`${path}.${key}`, 'a bigint from 0 to 2^256 - 1', value)
}

/** @throws ProtocolError `invalid_value` for anything but an integer in 0 ≤ n < 2^32 */
export function checkUint32(value: unknown, path: string, key: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) return
  throw badValue(`${path}.${key}`, 'an integer from 0 to 2^32 - 1', value)
}

/** @throws ProtocolError `invalid_value` for anything but a boolean */
export function checkBoolean(value: unknown, path: string, key: string): void {
  if (typeof value !== 'boolean') throw badValue(`${path}.${key}`, 'a boolean', value)
}

/** @throws ProtocolError `invalid_value` for anything but an object */
export function checkObject(value: unknown, field: string): void {
  if (typeof value !== 'object' || value === null) throw badValue(field, 'an object', value)
}

/** @throws ProtocolError `invalid_value` for what is not a Uint8Array, `invalid_length` for another length */
export function checkBytes(value: unknown, length: number, path: string, key: string): void {
  const field = `${path}.${key}`
  if (!(value instanceof Uint8Array)) throw badValue(field, 'a Uint8Array', value)
  if (value.length !== length) {
    const detail = { field, value: value.length, limit: length }
    throw new ProtocolError('invalid_length', `${field}: ${value.length} bytes, must be ${length}`, detail)
  }
}

/** @throws ProtocolError `invalid_value` for what is not a Uint8Array, `list_too_long` above the limit */
export function checkByteList(value: unknown, limit: number, path: string, key: string): void {
  const field = `${path}.${key}`
  if (!(value instanceof Uint8Array)) throw badValue(field, 'a Uint8Array', value)
  checkCount(field, value.length, limit)
}

export function badValue(field: string, expected: string, value: unknown): ProtocolError {
  return new ProtocolError('invalid_value', `${field}: expected ${expected}, got ${describe(value)}`, { field, value })
}

/** The same memory as a plain Uint8Array. */
function plainView(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
