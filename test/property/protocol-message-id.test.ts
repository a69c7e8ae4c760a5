import { expect } from 'chai'
import fc from 'fast-check'
import { compress } from 'snappyjs'
import { gossipMessageId, messageId, topicsOf } from '../../src/protocol/index.js'
import { decompressSnappy } from '../../src/protocol/snappy.js'
import { allocatedBy } from '../protocol/fixtures.js'
import { anyBytes, mutated } from './protocol-arbitraries.js'
import { samples } from '../support/samples.js'

const sizes = fc.integer({ min: 0, max: 63 })
const offsets = fc.integer({ min: 0, max: 300 })

/** Elements of a snappy body: tags with whatever follows, more often plausible than random bytes are. */
const elements = fc.array(fc.oneof(
  anyBytes(60).filter((literal) => literal.length > 0).map((literal) => [(literal.length - 1) << 2, ...literal]),
  fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 40 })).map(([tag, offset]) => [tag & 0x1c | 1, offset]),
  fc.tuple(sizes, offsets).map(([size, offset]) => [size << 2 | 2, offset & 255, offset >> 8]),
  fc.tuple(sizes, offsets).map(([size, offset]) => [size << 2 | 3, offset & 255, offset >> 8, 0, 0]),
), { maxLength: 12 }).map((parts) => parts.flat())

/** A second decoder, as plain as can be: what it gives, the one under test must give. */
function plainDecode(data: Uint8Array): number[] | undefined {
  let at = 0
  let declared = 0n
  for (;;) {
    const byte = data[at]
    if (byte === undefined || at === 10) return undefined
    declared = BigInt.asUintN(64, declared | BigInt(byte & 0x7f) << BigInt(7 * at++))
    if (byte < 0x80) break
  }
  if (declared > 10_485_760n) return undefined
  const out: number[] = []
  while (at < data.length) {
    const tag = data[at++]!
    const word = [...data.subarray(at, at + 4), 0, 0, 0, 0].slice(0, 4)
    if ((tag & 3) === 0) {
      let size = (tag >> 2) + 1
      if (size > 60) {
        if (at + 4 > data.length) return undefined
        const width = size - 60
        size = word.slice(0, width).reduce((sum, byte, i) => sum + byte * 256 ** i, 1)
        at += width
      }
      if (at + size > data.length) return undefined
      out.push(...data.subarray(at, at + size))
      at += size
    } else {
      const width = [0, 1, 2, 4][tag & 3]!
      if (at + width > data.length) return undefined
      const offset = word.slice(0, width).reduce((sum, byte, i) => sum + byte * 256 ** i, width === 1 ? (tag >> 5) * 256 : 0)
      if (offset === 0 || offset > out.length) return undefined
      const size = width === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
      for (let i = 0; i < size; i++) out.push(out[out.length - offset]!)
      at += width
    }
    if (BigInt(out.length) > declared) return undefined
  }
  return BigInt(out.length) === declared ? out : undefined
}

const LIMIT = 10 * 1024 * 1024

function check(data: Uint8Array): void {
  const expected = plainDecode(data)
  expect(decompressSnappy(data, LIMIT)).to.deep.equal(expected && Uint8Array.from(expected))
}

describe('property: message ids', () => {
  it('snappy: what a compressor writes comes back, spoilt or not as a plain decoder has it', () => {
    const text = fc.array(fc.constantFrom(1, 2, 3), { maxLength: 500 }).map((bytes) => Uint8Array.from(bytes))
    fc.assert(fc.property(text, (data) => { expect(decompressSnappy(compress(data), LIMIT)).to.deep.equal(data) }))
    fc.assert(fc.property(mutated(text.map((data) => compress(data))), check), { numRuns: samples(1_000) })
  })

  it('snappy: any elements under any declared length, as a plain decoder has it', () => {
    fc.assert(fc.property(elements, fc.option(fc.nat(1_000)), (body, declared) => {
      const length = declared ?? plainLength(body)
      check(new Uint8Array([...length < 128 ? [length] : [length & 127 | 128, length >> 7], ...body]))
    }), { numRuns: samples(2_000) })
  })

  it('snappy: any bytes, as a plain decoder has it', () => {
    fc.assert(fc.property(anyBytes(40), check), { numRuns: samples(2_000) })
    fc.assert(fc.property(anyBytes(12), check), { numRuns: samples(2_000) })
  })

  it('H04: random and hostile payloads never allocate beyond the bound', () => {
    const topics = topicsOf(167000n)
    const id = gossipMessageId({ topics })
    const header = fc.array(fc.constantFrom(0x80, 0xff, 0x0f, 0x04, 0x05, 0x00), { minLength: 1, maxLength: 11 })
    const payloads = fc.sample(fc.tuple(header, elements).map(([a, b]) => new Uint8Array([...a, ...b])), 2_000)
    const memory = allocatedBy(() => {
      for (const data of payloads) {
        expect(messageId(data).length).to.equal(20)
        expect(id(topics.txLists, data).length).to.equal(20)
      }
    })
    expect(memory).to.be.below(LIMIT)
  })
})

/** What the elements would produce, so that the declared length is right as often as not. */
function plainLength(body: readonly number[]): number {
  for (let length = 0; length < 1_000; length++) {
    const header = length < 128 ? [length] : [length & 127 | 128, length >> 7]
    if (plainDecode(new Uint8Array([...header, ...body])) !== undefined) return length
  }
  return 0
}
