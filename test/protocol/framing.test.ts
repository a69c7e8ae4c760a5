import { expect } from 'chai'
import { encodeFrame, FRAME_CAPS, FrameReader, readFrame } from '../../src/protocol/index.js'
import { allocatedBy, refusal } from './fixtures.js'

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)

/** Both readers must say the same: at once, and byte by byte. */
function read(stream: Uint8Array, cap: number): Uint8Array {
  const reader = new FrameReader(cap)
  let body: Uint8Array | undefined
  for (const byte of stream) body = reader.push(bytes(byte)) ?? body
  reader.end()
  expect(readFrame(stream, cap)).to.deep.equal(body)
  return body!
}

describe('protocol/framing', () => {
  it('has the caps of SPEC §3', () => {
    expect(FRAME_CAPS).to.deep.equal({
      head: { request: 128, response: 65_536 },
      commitments: { request: 512, response: 1_048_576 },
      txList: { request: 256, response: 2_101_248 },
    })
  })

  it('writes a minimal length and the bytes', () => {
    expect(encodeFrame(bytes(4, 0, 0, 0))).to.deep.equal(bytes(4, 4, 0, 0, 0))
    const cases = [[0, 1], [127, 1], [128, 2], [16_383, 2], [16_384, 3], [2_097_151, 3], [2_097_152, 4]] as const
    for (const [size, header] of cases) {
      const frame = encodeFrame(new Uint8Array(size).fill(9))
      expect(frame.length).to.equal(header + size)
      expect(readFrame(frame, size)).to.deep.equal(new Uint8Array(size).fill(9))
    }
    expect(refusal(() => encodeFrame(new Uint8Array(129), 128), 'frame_too_long')).to.include({ value: 129, limit: 128 })
  })

  it('reads a frame up to the cap and not a byte above it', () => {
    for (const cap of [128, 256, 512, 65_536]) {
      expect(read(encodeFrame(new Uint8Array(cap)), cap).length).to.equal(cap)
      for (const reading of [read, readFrame]) {
        const error = refusal(() => reading(encodeFrame(new Uint8Array(cap + 1)), cap), 'frame_too_long')
        expect(error).to.include({ value: cap + 1, limit: cap })
      }
    }
  })

  it('refuses a length above the cap before its varint ends', () => {
    const reader = new FrameReader(512)
    expect(reader.push(bytes(0xff))).to.equal(undefined)
    refusal(() => reader.push(bytes(0xff)), 'frame_too_long')
    refusal(() => reader.push(bytes(0)), 'frame_too_long')
    refusal(() => { reader.end() }, 'frame_too_long')
  })

  it('refuses a length that is not minimal', () => {
    for (const stream of [bytes(0x80, 0), bytes(0x84, 0), bytes(0x84, 0x80, 0), bytes(0xff, 0x80, 0x80, 0)]) {
      refusal(() => read(stream, 512), 'varint_not_minimal')
      refusal(() => readFrame(stream, 512), 'varint_not_minimal')
    }
  })

  it('refuses a length that never ends', () => {
    const endless = new Uint8Array(1_000).fill(0x80)
    expect(refusal(() => read(endless, 512), 'varint_too_long').limit).to.equal(9)
    refusal(() => readFrame(endless, 512), 'varint_too_long')
    refusal(() => new FrameReader(512).push(endless), 'varint_too_long')
  })

  it('refuses a stream that ends early', () => {
    for (const stream of [bytes(), bytes(0x84), bytes(4), bytes(4, 1, 2, 3)]) {
      refusal(() => read(stream, 512), 'frame_truncated')
      refusal(() => readFrame(stream, 512), 'frame_truncated')
    }
    const reader = new FrameReader(512)
    reader.push(bytes(4, 1, 2, 3))
    expect(refusal(() => { reader.end() }, 'frame_truncated')).to.include({ value: 3, limit: 4 })
  })

  it('takes an empty frame', () => {
    expect(read(bytes(0), 512)).to.deep.equal(bytes())
  })

  it('gives the body once and ignores what comes after it', () => {
    const reader = new FrameReader(512)
    expect(reader.push(bytes(2, 7, 8, 9, 9))).to.deep.equal(bytes(7, 8))
    expect(reader.done).to.equal(true)
    expect(reader.push(bytes(2, 7, 8))).to.equal(undefined)
    expect(reader.push(new Uint8Array(1_000_000))).to.equal(undefined)
    expect(reader.buffered).to.equal(0)
    reader.end()
    expect(readFrame(bytes(2, 7, 8, 9, 9), 512)).to.deep.equal(bytes(7, 8))
  })

  it('copies: a body does not change with the chunks it came in', () => {
    const chunk = bytes(3, 1, 2, 3)
    const body = new FrameReader(512).push(chunk)
    chunk.fill(0)
    expect(body).to.deep.equal(bytes(1, 2, 3))
  })

  it('allocates nothing for a declared length alone, and never more than the cap', () => {
    const cap = FRAME_CAPS.txList.response
    const header = encodeFrame(new Uint8Array(cap)).subarray(0, 4)
    const readers = Array.from({ length: 200 }, () => new FrameReader(cap))
    expect(allocatedBy(() => { for (const reader of readers) reader.push(header) })).to.be.below(100_000)
    for (const reader of readers) expect(reader.buffered).to.equal(0)

    const [reader] = readers as [FrameReader]
    let received = 0
    for (let i = 0; i < 200; i++) {
      reader.push(new Uint8Array(10_000))
      received += 10_000
      expect(reader.buffered).to.be.at.most(Math.min(cap, Math.max(65_536, 4 * received)))
    }
    refusal(() => { new FrameReader(cap).push(bytes(0x81, 0xa0, 0x80, 0x01)) }, 'frame_too_long')
  })
})
