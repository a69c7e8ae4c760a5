/** Comparisons of byte strings in place, without bigint and without copies. Big-endian, 32 bytes from an offset. */

/** The order of secp256k1's group. */
const ORDER = new Uint8Array([
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
  0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
])

/** (n − 1) / 2: the largest s of a low-S signature. */
const HALF_ORDER = new Uint8Array([
  0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
])

/** Negative, zero or positive as the 32 bytes at `offset` are below, equal to or above `limit`. */
function compare32(bytes: Uint8Array, offset: number, limit: Uint8Array): number {
  for (let i = 0; i < 32; i++) {
    const difference = bytes[offset + i]! - limit[i]!
    if (difference !== 0) return difference
  }
  return 0
}

/** Whether `length` bytes from `offset` are all zero. */
export function isZero(bytes: Uint8Array, offset: number, length: number): boolean {
  for (let i = offset, end = offset + length; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

/** Whether 0 < x < n: what r, s and a private key must be. */
export function isScalar(bytes: Uint8Array, offset: number): boolean {
  return compare32(bytes, offset, ORDER) < 0 && !isZero(bytes, offset, 32)
}

/** Whether x > (n − 1) / 2. */
export function isHigh(bytes: Uint8Array, offset: number): boolean {
  return compare32(bytes, offset, HALF_ORDER) > 0
}

/** Writes n − x over the 32 bytes at `offset`; 0 < x < n. */
export function negateScalar(bytes: Uint8Array, offset: number): void {
  let borrow = 0
  for (let i = 31; i >= 0; i--) {
    const difference = ORDER[i]! - bytes[offset + i]! - borrow
    bytes[offset + i] = difference
    borrow = difference < 0 ? 1 : 0
  }
}

/** A copy that is a plain Uint8Array, also of a Buffer (whose own `slice` shares memory). Throws for what is not bytes. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('not a Uint8Array')
  return new Uint8Array(bytes)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
