import { expect } from 'chai'
import fc from 'fast-check'
import {
  CommitmentView, codecs, MAX_TXLIST_BYTES, ProtocolError, viewPage, viewTxList, type Codec, type ContainerName,
} from '../../src/protocol/index.js'
import { allocatedBy } from '../protocol/fixtures.js'
import { hostileBytes, signedCommitment, values } from './protocol-arbitraries.js'
import { samples } from '../support/samples.js'

/** The value, or undefined at a typed refusal; anything else fails the property. */
function decoded(codec: Codec<unknown>, bytes: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: codec.decode(bytes) }
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

const each = Object.entries(codecs).map(([name, codec]) => [name as ContainerName, codec as Codec<unknown>] as const)

describe('property: containers', () => {
  for (const [name, codec] of each) {
    it(`${name}: decode(encode(x)) = x`, () => {
      fc.assert(fc.property(values[name], (value) => {
        const bytes = codec.encode(value)
        expect(bytes.length).to.be.at.most(codec.maxSize)
        expect(codec.decode(bytes)).to.deep.equal(value)
      }))
    })

    it(`H14 ${name}: any bytes give a value or a typed error, and encode(decode(bytes)) = bytes`, () => {
      fc.assert(fc.property(hostileBytes(codec, values[name]), (bytes) => {
        const result = decoded(codec, bytes)
        if (result !== undefined) expect(codec.encode(result.value)).to.deep.equal(bytes)
      }), { numRuns: samples(500) })
    })
  }

  it('H14: bad offsets and declared lengths allocate nothing', () => {
    const hostile = [0, 1, 35, 37, 0x7fff_ffff, 0xffff_fffc, 0xffff_ffff].flatMap((offset) => [4, 36].map((header) => {
      const bytes = new Uint8Array(header + 100)
      new DataView(bytes.buffer).setUint32(header - 4, offset, true)
      return bytes
    }))
    const memory = allocatedBy(() => {
      for (let i = 0; i < 200; i++) for (const [, codec] of each) for (const bytes of hostile) decoded(codec, bytes)
    })
    expect(memory).to.be.below(4_000_000)
  })

  it('H14: bytes far above a cap are refused without being copied', () => {
    const huge = new Uint8Array(64 * 1024 * 1024)
    for (const header of [4, 36]) {
      huge.fill(0, 0, 40)[header - 4] = header
      const memory = allocatedBy(() => { for (const [, codec] of each) expect(decoded(codec, huge)).to.equal(undefined) })
      expect(memory).to.be.below(1_000_000)
    }
    expect(MAX_TXLIST_BYTES).to.be.below(huge.length)
  })

  it('H14: the readers in place agree with the codecs on any bytes', () => {
    const check = (codec: Codec<unknown>, name: ContainerName, read: (bytes: Uint8Array) => void): void => {
      fc.assert(fc.property(hostileBytes(codec, values[name]), (bytes) => {
        let reads = true
        try {
          read(bytes)
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolError)
          reads = false
        }
        expect(reads).to.equal(decoded(codec, bytes) !== undefined)
      }), { numRuns: samples(500) })
    }
    check(codecs.RawTxListGossip, 'RawTxListGossip', viewTxList)
    check(codecs.GetCommitmentsByNumberResponse, 'GetCommitmentsByNumberResponse', viewPage)
  })

  it('the view of a commitment reads what the codec decodes', () => {
    fc.assert(fc.property(signedCommitment, fc.nat(50), (value, offset) => {
      const bytes = new Uint8Array(offset + 382)
      bytes.set(codecs.SignedCommitment.encode(value), offset)
      const view = new CommitmentView(bytes, offset)
      const { preconf, slasherAddress } = value.commitment
      expect([view.eop, view.blockNumber, view.timestamp, view.submissionWindowEnd])
        .to.deep.equal([preconf.eop, preconf.blockNumber, preconf.timestamp, preconf.submissionWindowEnd])
      expect([view.rawTxListHash, view.parentPreconfirmationHash, view.slasherAddress, view.signature])
        .to.deep.equal([preconf.rawTxListHash, preconf.parentPreconfirmationHash, slasherAddress, value.signature])
    }))
  })
})
