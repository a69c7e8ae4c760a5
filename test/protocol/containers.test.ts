import { expect } from 'chai'
import {
  codecs, GetCommitmentsByNumberRequestCodec, GetCommitmentsByNumberResponseCodec, GetHeadRequestCodec, GetRawTxListRequestCodec,
  GetRawTxListResponseCodec, MAX_TXLIST_BYTES, PreconfCommitmentCodec, PreconfHeadCodec, PreconfirmationCodec,
  RawTxListGossipCodec,
  SignedCommitmentCodec, toHex, type Codec, type ContainerName, type SignedCommitment,
} from '../../src/protocol/index.js'
import { commitment, preconfirmation, refusal, sign, signedBytes, withByte } from './fixtures.js'

const MAX = (1n << 256n) - 1n

describe('protocol/containers', () => {
  it('has the sizes of SPEC §3', () => {
    const sizes = Object.fromEntries(Object.entries(codecs).map(([name, { maxSize }]) => [name, maxSize]))
    expect(sizes).to.deep.equal({
      Preconfirmation: 297,
      PreconfCommitment: 317,
      SignedCommitment: 382,
      RawTxListGossip: 36 + 2_097_152,
      PreconfHead: 64,
      GetHeadRequest: 4,
      GetCommitmentsByNumberRequest: 36,
      GetCommitmentsByNumberResponse: 97_796,
      GetRawTxListRequest: 32,
      GetRawTxListResponse: 36 + 2_097_152,
    })
    for (const [name, codec] of Object.entries(codecs)) expect(codec.name).to.equal(name)
  })

  it('encodes and decodes a value of each', () => {
    const samples: { readonly [K in ContainerName]: Parameters<typeof codecs[K]['encode']>[0] } = {
      Preconfirmation: preconfirmation({ blockNumber: MAX, eop: true }),
      PreconfCommitment: commitment({ proposalId: MAX }),
      SignedCommitment: sign(commitment()),
      RawTxListGossip: { rawTxListHash: new Uint8Array(32).fill(9), txlist: new Uint8Array([1, 2, 3]) },
      PreconfHead: { blockNumber: 1n << 53n, submissionWindowEnd: MAX },
      GetHeadRequest: { reserved: new Uint8Array(0) },
      GetCommitmentsByNumberRequest: { startBlockNumber: MAX, maxCount: 0xffff_ffff },
      GetCommitmentsByNumberResponse: { commitments: [sign(commitment()), sign(commitment({ blockNumber: 1_000_001n }))] },
      GetRawTxListRequest: { rawTxListHash: new Uint8Array(32).fill(9) },
      GetRawTxListResponse: { rawTxListHash: new Uint8Array(32), txlist: new Uint8Array(0) },
    }
    for (const [name, value] of Object.entries(samples)) {
      const codec = codecs[name as ContainerName] as Codec<unknown>
      expect(codec.decode(codec.encode(value)), name).to.deep.equal(value)
    }
  })

  it('lays integers out little-endian and lists behind their offset', () => {
    expect(toHex(GetCommitmentsByNumberRequestCodec.encode({ startBlockNumber: 77n, maxCount: 64 })))
      .to.equal('4d'.padEnd(64, '0') + '40000000')
    expect(toHex(GetHeadRequestCodec.encode({ reserved: new Uint8Array(0) }))).to.equal('04000000')
    expect(toHex(RawTxListGossipCodec.encode({ rawTxListHash: new Uint8Array(32), txlist: new Uint8Array([5]) })))
      .to.equal('00'.repeat(32) + '2400000005')
    expect(toHex(GetCommitmentsByNumberResponseCodec.encode({ commitments: [] }))).to.equal('04000000')
  })

  describe('decoding', () => {
    it('refuses another size with invalid_size', () => {
      const samples: readonly [Codec<unknown>, number][] = [
        [PreconfirmationCodec, 297], [PreconfCommitmentCodec, 317], [SignedCommitmentCodec, 382], [PreconfHeadCodec, 64],
        [GetCommitmentsByNumberRequestCodec, 36], [GetRawTxListRequestCodec, 32],
      ]
      for (const [codec, size] of samples) {
        for (const wrong of [0, size - 1, size + 1, 2 * size]) {
          expect(refusal(() => codec.decode(new Uint8Array(wrong)), 'invalid_size')).to.include({ value: wrong, limit: size })
        }
      }
    })

    it('refuses a bool other than 0 and 1 with invalid_bool, in a page too', () => {
      for (const value of [2, 128, 255]) {
        const error = refusal(() => SignedCommitmentCodec.decode(withByte(signedBytes(), 0, value)), 'invalid_bool')
        expect(error.value).to.equal(value)
      }
      const page = GetCommitmentsByNumberResponseCodec.encode({ commitments: [sign(commitment()), sign(commitment())] })
      const error = refusal(() => GetCommitmentsByNumberResponseCodec.decode(withByte(page, 4 + 382, 7)), 'invalid_bool')
      expect(error.message).to.include('[1]')
    })

    it('refuses an offset that is not where the list starts with invalid_offset', () => {
      for (const codec of [RawTxListGossipCodec, GetRawTxListResponseCodec]) {
        const bytes = codec.encode({ rawTxListHash: new Uint8Array(32), txlist: new Uint8Array(50) })
        for (const offset of [0, 1, 35, 37, 86, 255]) refusal(() => codec.decode(withByte(bytes, 32, offset)), 'invalid_offset')
        expect(refusal(() => codec.decode(withByte(bytes, 35, 255)), 'invalid_offset').value).to.equal(0xff00_0024)
        for (const size of [0, 32, 34, 35]) refusal(() => codec.decode(bytes.subarray(0, size)), 'invalid_size')
      }
      for (const offset of [0, 3, 5, 255]) {
        refusal(() => GetCommitmentsByNumberResponseCodec.decode(new Uint8Array([offset, 0, 0, 0])), 'invalid_offset')
        refusal(() => GetHeadRequestCodec.decode(new Uint8Array([offset, 0, 0, 0])), 'invalid_offset')
      }
    })

    it('refuses a list above its limit with list_too_long', () => {
      const txList = new Uint8Array(36 + MAX_TXLIST_BYTES + 1)
      txList[32] = 36
      const tooLong = refusal(() => RawTxListGossipCodec.decode(txList), 'list_too_long')
      expect(tooLong).to.include({ value: 2_097_153, limit: 2_097_152 })
      expect(RawTxListGossipCodec.decode(txList.subarray(0, -1)).txlist.length).to.equal(2_097_152)
      const page = withByte(new Uint8Array(4 + 257 * 382), 0, 4)
      const tooMany = refusal(() => GetCommitmentsByNumberResponseCodec.decode(page), 'list_too_long')
      expect(tooMany).to.include({ value: 257, limit: 256 })
      expect(GetCommitmentsByNumberResponseCodec.decode(page.subarray(0, 97_796)).commitments.length).to.equal(256)
      refusal(() => GetHeadRequestCodec.decode(new Uint8Array([4, 0, 0, 0, 1])), 'list_too_long')
    })

    it('refuses a page that is not a multiple of a commitment with invalid_size', () => {
      for (const size of [1, 381, 383]) {
        refusal(() => GetCommitmentsByNumberResponseCodec.decode(withByte(new Uint8Array(4 + size), 0, 4)), 'invalid_size')
      }
    })

    it('copies: what was decoded does not change with the bytes, and is plain', () => {
      const bytes = Buffer.from(signedBytes())
      const value = SignedCommitmentCodec.decode(bytes)
      bytes.fill(0)
      expect(value).to.deep.equal(sign(commitment()))
      expect(Buffer.isBuffer(value.signature)).to.equal(false)
    })
  })

  describe('encoding', () => {
    it('refuses integers out of range with invalid_value, naming the field', () => {
      for (const blockNumber of [-1n, MAX + 1n, 1, '1', undefined, null]) {
        const value = preconfirmation({ blockNumber: blockNumber as bigint })
        expect(refusal(() => PreconfirmationCodec.encode(value), 'invalid_value').field)
          .to.equal('Preconfirmation.blockNumber')
      }
      for (const maxCount of [-1, 2 ** 32, 1.5, NaN, Infinity, 1n, '1']) {
        const value = { startBlockNumber: 0n, maxCount: maxCount as number }
        expect(refusal(() => GetCommitmentsByNumberRequestCodec.encode(value), 'invalid_value').field)
          .to.equal('GetCommitmentsByNumberRequest.maxCount')
      }
      for (const eop of [0, 1, 'true', undefined]) {
        refusal(() => PreconfirmationCodec.encode(preconfirmation({ eop: eop as unknown as boolean })), 'invalid_value')
      }
    })

    it('refuses bytes of another length with invalid_length, and what is not bytes with invalid_value', () => {
      for (const length of [0, 19, 21, 32]) {
        const error = refusal(() => SignedCommitmentCodec.encode(sign2({ coinbase: new Uint8Array(length) })), 'invalid_length')
        expect(error).to.include({ value: length, limit: 20, field: 'SignedCommitment.commitment.preconf.coinbase' })
      }
      for (const coinbase of ['00'.repeat(20), [1, 2], undefined, null, new ArrayBuffer(20)]) {
        const value = preconfirmation({ coinbase: coinbase as unknown as Uint8Array })
        refusal(() => PreconfirmationCodec.encode(value), 'invalid_value')
      }
    })

    it('refuses lists above their limit with list_too_long', () => {
      const txlist = new Uint8Array(MAX_TXLIST_BYTES + 1)
      refusal(() => RawTxListGossipCodec.encode({ rawTxListHash: new Uint8Array(32), txlist }), 'list_too_long')
      const commitments = new Array<SignedCommitment>(257).fill(sign(commitment()))
      refusal(() => GetCommitmentsByNumberResponseCodec.encode({ commitments }), 'list_too_long')
      refusal(() => GetHeadRequestCodec.encode({ reserved: new Uint8Array(1) }), 'list_too_long')
    })

    it('refuses what is not an object at any depth with invalid_value', () => {
      for (const value of [undefined, null, 7, 'x']) {
        for (const codec of Object.values(codecs) as Codec<unknown>[]) refusal(() => codec.encode(value), 'invalid_value')
        const inside = { preconf: value, slasherAddress: new Uint8Array(20) }
        refusal(() => (PreconfCommitmentCodec as Codec<unknown>).encode(inside), 'invalid_value')
        refusal(() => (GetCommitmentsByNumberResponseCodec as Codec<unknown>).encode({ commitments: [value] }), 'invalid_value')
        refusal(() => (GetCommitmentsByNumberResponseCodec as Codec<unknown>).encode({ commitments: value }), 'invalid_value')
      }
    })
  })
})

/** A signed commitment with fields that have no encoding, under any signature. */
function sign2(changes: Parameters<typeof commitment>[0]): SignedCommitment {
  return { commitment: commitment(changes), signature: new Uint8Array(65) }
}
