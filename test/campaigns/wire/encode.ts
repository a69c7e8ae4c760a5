/** Wire formats written by hand, so that each field can be left out, doubled, of another type, or lie about its length. */

export function varint(value: number): Buffer {
  const out: number[] = []
  let left = value
  do {
    out.push(left % 128 + (left >= 128 ? 128 : 0))
    left = Math.floor(left / 128)
  } while (left > 0)
  return Buffer.from(out)
}

/** Bytes behind their length. */
export const prefixed = (bytes: Uint8Array): Buffer => Buffer.concat([varint(bytes.length), bytes])
/** A line of multistream-select. */
export const line = (text: string): Buffer => prefixed(Buffer.from(`${text}\n`))
export const HEADER = line('/multistream/1.0.0')

/** A field of protobuf with bytes in it. */
export const field = (number: number, value: Uint8Array | string): Buffer => Buffer.concat([varint(number * 8 + 2), prefixed(Buffer.from(value))])
export const intField = (number: number, value: number): Buffer => Buffer.concat([varint(number * 8), varint(value)])

export const YAMUX = { data: 0, window: 1, ping: 2, goAway: 3, syn: 1, ack: 2, fin: 4, rst: 8 } as const

/** A yamux frame; the length that it declares may be another than its body's. */
export function yamuxFrame(type: number, flags: number, id: number, length: number, body: Uint8Array = new Uint8Array(0), version = 0): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(version, 0)
  header.writeUInt8(type, 1)
  header.writeUInt16BE(flags, 2)
  header.writeUInt32BE(id, 4)
  header.writeUInt32BE(length, 8)
  return Buffer.concat([header, body])
}
