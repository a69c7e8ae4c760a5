import { expect } from 'chai'
import fc from 'fast-check'
import { encodeFrame, FRAME_CAPS, FrameReader, ProtocolError, readFrame } from '../../src/protocol/index.js'
import { anyBytes } from './protocol-arbitraries.js'
import { samples } from '../support/samples.js'

const caps = Object.values(FRAME_CAPS).flatMap(({ request, response }) => [request, response])

/** Cuts bytes at the given places. */
function chunksOf(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

function readChunks(chunks: readonly Uint8Array[], cap: number): Uint8Array | ProtocolError {
  const reader = new FrameReader(cap)
  let body: Uint8Array | undefined
  let received = 0
  try {
    for (const chunk of chunks) {
      body = reader.push(chunk) ?? body
      received += chunk.length
      expect(reader.buffered).to.be.at.most(Math.min(cap, Math.max(65_536, received * 4)))
    }
    reader.end()
    return body!
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
}

function readAtOnce(bytes: Uint8Array, cap: number): Uint8Array | ProtocolError {
  try {
    return readFrame(bytes, cap)
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
}

describe('property: framing', () => {
  it('a frame in any chunks, with anything behind it, gives its body', () => {
    fc.assert(fc.property(anyBytes(70_000), anyBytes(20), fc.array(fc.nat(), { maxLength: 20 }), (body, rest, cuts) => {
      const stream = new Uint8Array([...encodeFrame(body), ...rest])
      expect(readChunks(chunksOf(stream, cuts), 70_000)).to.deep.equal(body)
      expect(readFrame(stream, 70_000)).to.deep.equal(body)
    }), { numRuns: 50 })
  })

  it('H14: any stream in any chunks gives a body within the cap or a typed error, the same as at once', () => {
    const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 4, 127, 128, 255))
    const lengths = fc.array(byte, { maxLength: 12 })
    const cutting = fc.array(fc.nat(), { maxLength: 8 })
    fc.assert(fc.property(lengths, anyBytes(600), cutting, fc.constantFrom(...caps), (header, body, cuts, cap) => {
      const stream = new Uint8Array([...header, ...body])
      const result = readChunks(chunksOf(stream, cuts), cap)
      const atOnce = readAtOnce(stream, cap)
      if (result instanceof ProtocolError) {
        expect((atOnce as ProtocolError).code).to.equal(result.code)
      } else {
        expect(result.length).to.be.at.most(cap)
        expect(atOnce).to.deep.equal(result)
        expect(stream.subarray(0, encodeFrame(result).length)).to.deep.equal(encodeFrame(result))
      }
    }), { numRuns: samples(2_000) })
  })
})
