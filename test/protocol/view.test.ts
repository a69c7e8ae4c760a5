import { expect } from 'chai'
import {
  CommitmentView, GetCommitmentsByNumberResponseCodec, hasTxListOffset, packPage, readUint256, SignedCommitmentCodec, viewPage,
  viewTxList,
} from '../../src/protocol/index.js'
import { commitment, refusal, sign, signedBytes, txListMessage, withByte } from './fixtures.js'

describe('protocol/view', () => {
  it('reads the same fields as the codec, at any offset', () => {
    for (const offset of [0, 1, 5, 382]) {
      for (const eop of [false, true]) {
        const value = sign(commitment({ eop, blockNumber: (1n << 255n) + 5n, submissionWindowEnd: (1n << 53n) + 1n }))
        const bytes = new Uint8Array(offset + 382 + 9)
        bytes.set(SignedCommitmentCodec.encode(value), offset)
        const view = new CommitmentView(bytes, offset)
        const { preconf, slasherAddress } = value.commitment
        expect(view.eop).to.equal(eop)
        expect(view.blockNumber).to.equal(preconf.blockNumber)
        expect(view.timestamp).to.equal(preconf.timestamp)
        expect(view.submissionWindowEnd).to.equal(preconf.submissionWindowEnd)
        expect(view.rawTxListHash).to.deep.equal(preconf.rawTxListHash)
        expect(view.parentPreconfirmationHash).to.deep.equal(preconf.parentPreconfirmationHash)
        expect(view.slasherAddress).to.deep.equal(slasherAddress)
        expect(view.signature).to.deep.equal(value.signature)
        expect(view.bytes).to.deep.equal(SignedCommitmentCodec.encode(value))
        expect(view.commitmentBytes.length).to.equal(317)
        expect(view.preconfirmationBytes.length).to.equal(297)
        expect(view.signature.buffer).to.equal(bytes.buffer)
      }
    }
  })

  it('tells a hand-over without a block from a block', () => {
    const zero = new Uint8Array(32)
    const handover = new CommitmentView(signedBytes({ eop: true, rawTxListHash: zero }))
    expect(handover).to.include({ hasTxList: false, isHandoverOnly: true })
    expect(new CommitmentView(signedBytes({ eop: true }))).to.include({ hasTxList: true, isHandoverOnly: false })
    expect(new CommitmentView(signedBytes({ rawTxListHash: zero }))).to.include({ hasTxList: false, isHandoverOnly: false })
  })

  it('refuses too few bytes behind the offset', () => {
    refusal(() => new CommitmentView(new Uint8Array(381)), 'invalid_size')
    refusal(() => new CommitmentView(new Uint8Array(400), 19), 'invalid_size')
    refusal(() => new CommitmentView(new Uint8Array(400), -1), 'invalid_size')
    refusal(() => new CommitmentView(new Uint8Array(400), NaN), 'invalid_size')
  })

  it('reads integers on both sides of 2^53', () => {
    const edges = [32n, 53n, 64n, 256n].flatMap((bits) => [(1n << bits) - 1n, 1n << bits])
    for (const value of [0n, 1n, 255n, ...edges.slice(0, -1)]) {
      const bytes = new Uint8Array(40)
      for (let i = 0; i < 32; i++) bytes[3 + i] = Number(value >> BigInt(8 * i) & 255n)
      expect(readUint256(bytes, 3)).to.equal(value)
    }
  })

  it('reads a txlist in place, strictly', () => {
    const txList = new Uint8Array([1, 2, 3])
    const message = txListMessage(txList)
    const view = viewTxList(message)
    expect(view.txList).to.deep.equal(txList)
    expect(view.rawTxListHash).to.deep.equal(message.subarray(0, 32))
    expect(view.txList.buffer).to.equal(message.buffer)
    refusal(() => viewTxList(message.subarray(0, 35)), 'invalid_size')
    for (const at of [32, 33, 34, 35]) refusal(() => viewTxList(withByte(message, at, 1)), 'invalid_offset')
    refusal(() => viewTxList(txListMessage(new Uint8Array(2_097_153), new Uint8Array(32))), 'list_too_long')
    expect(hasTxListOffset(message)).to.equal(true)
    expect(hasTxListOffset(message.subarray(0, 35))).to.equal(false)
    expect(hasTxListOffset(withByte(message, 33, 1))).to.equal(false)
  })

  it('cuts a response into its commitments and puts it together again', () => {
    const records = [signedBytes(), signedBytes({ blockNumber: 2n }), signedBytes({ blockNumber: 3n })]
    const response = packPage(records)
    const { commitments } = GetCommitmentsByNumberResponseCodec.decode(response)
    expect(commitments).to.deep.equal(records.map((record) => SignedCommitmentCodec.decode(record)))
    const page = viewPage(response)
    expect(page.length).to.equal(3 * 382)
    expect(page.subarray(382, 764)).to.deep.equal(records[1])
    expect(packPage([])).to.deep.equal(new Uint8Array([4, 0, 0, 0]))
    refusal(() => packPage([new Uint8Array(381)]), 'invalid_length')
    refusal(() => packPage(new Array<Uint8Array>(257).fill(records[0]!)), 'list_too_long')
    refusal(() => viewPage(withByte(response, 4 + 382, 2)), 'invalid_bool')
  })
})
