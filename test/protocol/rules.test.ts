import { expect } from 'chai'
import {
  checkCommitment, checkTxList, checkTxListResponse, DEFAULT_DOMAIN, Finding, findingName, preconfirmationHash, RECORD_HASH,
  RECORD_SIGNER,
  RECORD_SIZE, verdictOf, type CommitmentRules, type Crypto, type FindingName,
} from '../../src/protocol/index.js'
import { isHigh, negateScalar } from '../../src/protocol/bytes.js'
import { crypto, signedBytes, signer, slasher, txListMessage, withByte } from './fixtures.js'

const rules = { domain: DEFAULT_DOMAIN, slasher }

function judge(bytes: Uint8Array, using: CommitmentRules = rules): { finding: FindingName, record: Uint8Array } {
  const out = new Uint8Array(RECORD_SIZE + 20).fill(0xee)
  const finding = checkCommitment(bytes, using, crypto, out, 10)
  expect(out.subarray(0, 10)).to.deep.equal(new Uint8Array(10).fill(0xee))
  expect(out.subarray(10 + RECORD_SIZE)).to.deep.equal(new Uint8Array(10).fill(0xee))
  const record = out.slice(10, 10 + RECORD_SIZE)
  expect(record[0]).to.equal(finding)
  return { finding: findingName(finding), record }
}

/** s → n − s, v flipped: what a relay can do without the key. */
function mangle(bytes: Uint8Array): Uint8Array {
  const high = new Uint8Array(bytes)
  negateScalar(high, 317 + 32)
  high[381] = high[381]! ^ 1
  return high
}

const nothing = new Uint8Array(RECORD_SIZE - 1)

describe('protocol/rules', () => {
  describe('a commitment', () => {
    it('is valid: record of 53 bytes with its signer and its hash', () => {
      const bytes = signedBytes()
      const { finding, record } = judge(bytes)
      expect(finding).to.equal('valid')
      expect(RECORD_SIZE).to.equal(53)
      expect(record.subarray(RECORD_SIGNER, RECORD_HASH)).to.deep.equal(signer.address)
      expect(record.subarray(RECORD_HASH)).to.deep.equal(preconfirmationHash(crypto, bytes.subarray(0, 297)))
    })

    it('is judged inside a packed batch', () => {
      const batch = new Uint8Array(3 * 382)
      batch.set(signedBytes(), 382)
      expect(judge(batch.subarray(382, 764)).finding).to.equal('valid')
    })

    it('is valid as an EOP with a txlist and as a hand-over without one', () => {
      expect(judge(signedBytes({ eop: true })).finding).to.equal('valid')
      expect(judge(signedBytes({ eop: true, rawTxListHash: new Uint8Array(32) })).finding).to.equal('valid')
    })

    it('is refused without a txlist hash where it is no EOP', () => {
      expect(judge(signedBytes({ rawTxListHash: new Uint8Array(32) }))).to.deep.equal({
        finding: 'zero_tx_list_hash', record: withByte(new Uint8Array(RECORD_SIZE), 0, Finding.zero_tx_list_hash),
      })
      expect(judge(signedBytes({ rawTxListHash: withByte(new Uint8Array(32), 31, 1) })).finding).to.equal('valid')
    })

    it('is undecodable with another size or bool', () => {
      for (const size of [0, 1, 317, 381, 383, 764]) expect(judge(new Uint8Array(size)).finding).to.equal('undecodable')
      for (const eop of [2, 255]) expect(judge(withByte(signedBytes(), 0, eop)).finding).to.equal('undecodable')
    })

    it('is refused with v above 3, 27 and 28 included', () => {
      for (const v of [4, 27, 28, 255]) expect(judge(withByte(signedBytes(), 381, v)).finding).to.equal('bad_v')
    })

    it('is refused where no key can be recovered', () => {
      const noR = signedBytes().fill(0, 317, 349)
      const noS = signedBytes().fill(0, 349, 381)
      const largeR = signedBytes().fill(255, 317, 349)
      const largeS = signedBytes().fill(255, 349, 381)
      const noPoint = withByte(noR, 348, 5)
      for (const bytes of [noR, noS, largeR, largeS, noPoint]) {
        const { finding, record } = judge(bytes)
        expect(finding).to.equal('bad_signature')
        expect(record.subarray(1)).to.deep.equal(nothing)
      }
    })

    it('is refused for another slasher only where one is configured', () => {
      const bytes = signedBytes({}, new Uint8Array(20).fill(9))
      expect(judge(bytes).finding).to.equal('wrong_slasher')
      expect(judge(bytes, { domain: DEFAULT_DOMAIN }).finding).to.equal('valid')
      expect(judge(bytes, { domain: DEFAULT_DOMAIN, slasher: undefined }).finding).to.equal('valid')
    })

    it('recovers another signer under another domain or with one bit changed', () => {
      const { finding, record } = judge(signedBytes(), { domain: new Uint8Array(32) })
      expect(finding).to.be.oneOf(['valid', 'bad_signature'])
      expect(record.subarray(RECORD_SIGNER, RECORD_HASH)).to.not.deep.equal(signer.address)
      const { record: changed } = judge(withByte(signedBytes(), 40, 0xff))
      expect(changed.subarray(RECORD_SIGNER, RECORD_HASH)).to.not.deep.equal(signer.address)
    })

    it('H11: a mangled high-S copy is Ignored without penalty, and shows whose it is', () => {
      const bytes = signedBytes()
      expect(isHigh(bytes, 349)).to.equal(false)
      const { finding, record } = judge(mangle(bytes))
      expect(finding).to.equal('high_s')
      expect(verdictOf(Finding.high_s)).to.deep.equal({ verdict: 'ignore', penalty: false })
      expect(record.subarray(1)).to.deep.equal(judge(bytes).record.subarray(1))
      expect(mangle(mangle(bytes))).to.deep.equal(bytes)
    })

    it('H11: a high s of no key is a bad signature all the same', () => {
      const bytes = withByte(mangle(signedBytes()).fill(0, 317, 348), 348, 5)
      expect(isHigh(bytes, 349)).to.equal(true)
      expect(judge(bytes).finding).to.equal('bad_signature')
    })

    it('is left unjudged, never valid, where our own library fails', () => {
      const broken: Crypto = { ...crypto, keccak256: () => { throw new Error('out of memory') } }
      const out = new Uint8Array(RECORD_SIZE).fill(1)
      expect(findingName(checkCommitment(signedBytes(), rules, broken, out))).to.equal('unjudged')
      expect(out).to.deep.equal(new Uint8Array(RECORD_SIZE))
      expect(findingName(checkTxList(txListMessage(new Uint8Array(3)), broken, out))).to.equal('unjudged')
    })
  })

  describe('a txlist', () => {
    const txList = new Uint8Array([1, 2, 3])
    const other = new Uint8Array(32).fill(1)
    const check = (bytes: Uint8Array, response = false): FindingName => {
      const out = new Uint8Array(RECORD_SIZE).fill(0xee)
      const finding = (response ? checkTxListResponse : checkTxList)(bytes, crypto, out)
      const expected = new Uint8Array(RECORD_SIZE)
      expected[0] = finding
      if (finding === Finding.valid) expected.set(bytes.subarray(0, 32), RECORD_HASH)
      expect(out).to.deep.equal(expected)
      return findingName(finding)
    }

    it('is valid under its own hash, also empty and at 2 MiB', () => {
      for (const size of [0, 1, 3, 135, 136, 137, 2_097_152]) {
        expect(check(txListMessage(new Uint8Array(size)))).to.equal('valid')
        expect(check(txListMessage(new Uint8Array(size)), true)).to.equal('valid')
      }
    })

    it('is refused under another hash, above 2 MiB, or with another offset', () => {
      expect(check(txListMessage(txList, other))).to.equal('hash_mismatch')
      expect(check(txListMessage(txList, other), true)).to.equal('hash_mismatch')
      expect(check(txListMessage(new Uint8Array(2_097_153)))).to.equal('oversize')
      for (const at of [32, 33, 34, 35]) expect(check(withByte(txListMessage(txList), at, 1))).to.equal('undecodable')
      for (const size of [0, 32, 35]) expect(check(txListMessage(txList).subarray(0, size))).to.equal('undecodable')
    })

    it('says "not found" when empty under another hash, in a response only', () => {
      expect(check(txListMessage(new Uint8Array(0), other), true)).to.equal('not_found')
      expect(check(txListMessage(new Uint8Array(0), other))).to.equal('hash_mismatch')
    })
  })

  it('gives each finding the verdict of SPEC §6', () => {
    const reject: FindingName[] = [
      'undecodable', 'bad_v', 'bad_signature', 'zero_tx_list_hash', 'oversize', 'hash_mismatch',
    ]
    const ignore: FindingName[] = ['unjudged', 'high_s', 'wrong_slasher', 'not_found', 'overloaded', 'worker_died']
    for (const name of reject) expect(verdictOf(Finding[name]), name).to.deep.equal({ verdict: 'reject', penalty: true })
    for (const name of ignore) expect(verdictOf(Finding[name]), name).to.deep.equal({ verdict: 'ignore', penalty: false })
    expect(verdictOf(Finding.valid)).to.deep.equal({ verdict: 'accept', penalty: false })
    expect(reject.length + ignore.length + 1).to.equal(Object.keys(Finding).length)
    for (const [name, finding] of Object.entries(Finding)) expect(findingName(finding)).to.equal(name)
    expect(findingName(200)).to.equal('unjudged')
    expect(verdictOf(200).verdict).to.equal('ignore')
  })
})
