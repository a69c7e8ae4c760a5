import { readUint32 } from './codec.js'

/**
 * Raw (block) snappy, decoding only, as strict and as lenient as the `snap` crate of the reference: both sides of a
 * message id must agree on what is snappy (SPEC §5). `snappyjs` does not serve: it accepts a body shorter than declared
 * (padding it with zeros) or longer, and allocates what seven bytes declare before it looks at them.
 *
 * Two passes: the first walks the elements and allocates nothing; only a body that decodes to exactly its declared
 * length, which needs a twenty-second of that length at least, comes to the second.
 */

/** The decompressed bytes, or undefined where `data` is not snappy or declares more than `limit` bytes. */
export function decompressSnappy(data: Uint8Array, limit: number): Uint8Array | undefined {
  const header = readHeader(data)
  if (header === undefined || header.length > limit) return undefined
  return decodesTo(data, header.end, header.length) ? fill(data, header.end, header.length) : undefined
}

/** Bytes that `data` decompresses to, where it is snappy and declares at most `limit`; else 0. Nothing is decompressed. */
export function snappySize(data: Uint8Array, limit: number): number {
  const header = readHeader(data)
  return header !== undefined && header.length <= limit && decodesTo(data, header.end, header.length) ? header.length : 0
}

interface Header {
  /** Bytes declared. */
  readonly length: number
  /** Where the elements start. */
  readonly end: number
}

/** A varint of up to 64 bits; not necessarily minimal, and bits above the 64th are dropped, as the reference does. */
function readHeader(data: Uint8Array): Header | undefined {
  let length = 0
  let factor = 1
  for (let i = 0; i < data.length && i < 10; i++) {
    const byte = data[i]!
    length += (i < 9 ? byte & 0x7f : byte & 1) * factor
    factor *= 128
    if (byte < 0x80) return { length, end: i + 1 }
  }
  return undefined
}

/** The last two bits of an element's first byte. */
const LITERAL = 0
const COPY_1 = 1
const COPY_2 = 2

/** The first pass: whether the elements from `start` produce exactly `length` bytes, each from what stands before it. */
function decodesTo(data: Uint8Array, start: number, length: number): boolean {
  let at = start
  let produced = 0
  while (at < data.length) {
    const tag = data[at++]!
    let size: number
    if ((tag & 3) === LITERAL) {
      size = (tag >> 2) + 1
      if (size > 60) {
        // The reference reads four bytes whatever the length's own size, and refuses where they are not there.
        if (at + 4 > data.length) return false
        const lengthBytes = size - 60
        size = literalSize(data, at, lengthBytes)
        at += lengthBytes
      }
      if (size > data.length - at) return false
      at += size
    } else {
      const offsetBytes = offsetSize(tag)
      if (at + offsetBytes > data.length) return false
      const offset = copyOffset(data, at, tag)
      if (offset === 0 || offset > produced) return false
      size = copySize(tag)
      at += offsetBytes
    }
    produced += size
    if (produced > length) return false
  }
  return produced === length
}

/** The second pass, over elements that the first has found right. */
function fill(data: Uint8Array, start: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  let at = start
  let to = 0
  while (at < data.length) {
    const tag = data[at++]!
    if ((tag & 3) === LITERAL) {
      let size = (tag >> 2) + 1
      if (size > 60) {
        const lengthBytes = size - 60
        size = literalSize(data, at, lengthBytes)
        at += lengthBytes
      }
      out.set(data.subarray(at, at + size), to)
      at += size
      to += size
    } else {
      const offset = copyOffset(data, at, tag)
      at += offsetSize(tag)
      to = repeat(out, to, offset, copySize(tag))
    }
  }
  return out
}

/** Copies `size` bytes from `offset` before `to`, and gives the end. A copy that overlaps itself repeats its start. */
function repeat(out: Uint8Array, to: number, offset: number, size: number): number {
  const from = to - offset
  const end = to + size
  if (size <= offset) {
    out.copyWithin(to, from, from + size)
  } else {
    // Always read from the first `offset` bytes: a byte written just before is slow to read.
    for (let at = to, source = from; at < end; at++) {
      out[at] = out[source]!
      if (++source === to) source = from
    }
  }
  return end
}

function literalSize(data: Uint8Array, at: number, lengthBytes: number): number {
  return ((readUint32(data, at) & (0xffff_ffff >>> (32 - 8 * lengthBytes))) >>> 0) + 1
}

function offsetSize(tag: number): number {
  return (tag & 3) === COPY_1 ? 1 : (tag & 3) === COPY_2 ? 2 : 4
}

function copySize(tag: number): number {
  return (tag & 3) === COPY_1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
}

function copyOffset(data: Uint8Array, at: number, tag: number): number {
  switch (tag & 3) {
    case COPY_1: return (tag >> 5) << 8 | data[at]!
    case COPY_2: return data[at]! | data[at + 1]! << 8
    default: return readUint32(data, at)
  }
}
