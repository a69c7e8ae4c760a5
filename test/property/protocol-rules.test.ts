import { expect } from 'chai'
import fc from 'fast-check'
import {
  checkCommitment, checkTxList, checkTxListResponse, codecs, DEFAULT_DOMAIN, Finding, findingName, fromHex, loadCrypto,
  normalizeHighS, ProtocolError,
  RECORD_HASH, RECORD_SIZE, toHex, verdictOf, type Crypto,
} from '../../src/protocol/index.js'
import { crypto, sign, signedBytes, signer, txListMessage } from '../protocol/fixtures.js'
import { anyBytes, exactBytes, hostileBytes, mutated, preconfCommitment, values } from './protocol-arbitraries.js'
import { samples } from '../support/samples.js'

const domain = DEFAULT_DOMAIN

describe('property: rules', () => {
  it('any bytes get a finding, never an exception; what is valid decodes', () => {
    const out = new Uint8Array(RECORD_SIZE)
    const unrelated = hostileBytes(codecs.SignedCommitment, values.SignedCommitment)
    const hostile = fc.oneof(unrelated, mutated(fc.constant(signedBytes())))
    fc.assert(fc.property(hostile, (bytes) => {
      const finding = checkCommitment(bytes, { domain }, crypto, out)
      expect(finding).to.not.equal(Finding.unjudged)
      expect(out[0]).to.equal(finding)
      if (finding === Finding.undecodable) expect(() => codecs.SignedCommitment.decode(bytes)).to.throw(ProtocolError)
      else codecs.SignedCommitment.decode(bytes)
      const identified = finding === Finding.valid || finding === Finding.high_s
      if (!identified) expect(out.subarray(1)).to.deep.equal(new Uint8Array(RECORD_SIZE - 1))
    }), { numRuns: samples(1_000) })
  })

  it('H11: what a key signs is valid and its own under each domain, its high-S twin is Ignored and normalises to it', () => {
    const out = new Uint8Array(RECORD_SIZE)
    fc.assert(fc.property(preconfCommitment, exactBytes(32), (value, otherDomain) => {
      const signed = sign(value, otherDomain)
      const bytes = codecs.SignedCommitment.encode(signed)
      const finding = checkCommitment(bytes, { domain: otherDomain, slasher: value.slasherAddress }, crypto, out)
      expect(findingName(finding)).to.equal('valid')
      expect(out.subarray(1, RECORD_HASH)).to.deep.equal(signer.address)

      const high = new Uint8Array(bytes)
      high.set(negated(signed.signature.subarray(32, 64)), 349)
      high[381] = high[381]! ^ 1
      const highFinding = checkCommitment(high, { domain: otherDomain }, crypto, out)
      expect(findingName(highFinding)).to.equal('high_s')
      expect(verdictOf(highFinding)).to.deep.equal({ verdict: 'ignore', penalty: false })
      expect(out.subarray(1, RECORD_HASH)).to.deep.equal(signer.address)
      expect(normalizeHighS(high.subarray(317))).to.deep.equal(signed.signature)
    }), { numRuns: 50 })
  })

  it('any txlist message gets a finding, and passes only under its own hash', () => {
    const out = new Uint8Array(RECORD_SIZE)
    const good = anyBytes(500).map((txList) => txListMessage(txList))
    fc.assert(fc.property(fc.oneof(good, mutated(good), anyBytes(100)), (bytes) => {
      const finding = checkTxList(bytes, crypto, out)
      const response = checkTxListResponse(bytes, crypto, new Uint8Array(RECORD_SIZE))
      expect([finding, response]).to.not.include(Finding.unjudged)
      expect(response === finding || response === Finding.not_found).to.equal(true)
      const message = finding === Finding.undecodable ? undefined : codecs.RawTxListGossip.decode(bytes)
      const own = message !== undefined && toHex(crypto.keccak256(message.txlist)) === toHex(message.rawTxListHash)
      expect(finding === Finding.valid).to.equal(own)
    }), { numRuns: samples(500) })
  })
})

describe('property: recovery', () => {
  let others: Crypto[]
  before(async () => {
    others = [await loadCrypto({ recover: 'libauth' }), await loadCrypto({ recover: 'noble', keccak: 'noble' })]
  })

  const n = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'
  /** r and s near the ends of their range, r of the narrow band in which r + n is still below the field's prime, any. */
  const edge = fc.constantFrom(
    '0'.repeat(64), '0'.repeat(63) + '1', '0'.repeat(63) + '2', n.slice(0, 63) + '0', n, n.slice(0, 63) + '2', 'f'.repeat(64),
    '7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0',
    '7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1',
    '0'.repeat(31) + '14551231950b75fc4402da1722fc9baed', '0'.repeat(31) + '14551231950b75fc4402da1722fc9baee',
  ).map((hex) => fromHex(hex))
  const scalar = fc.oneof({ arbitrary: exactBytes(32), weight: 3 }, { arbitrary: edge, weight: 2 }, {
    arbitrary: exactBytes(16).map((low) => new Uint8Array([...new Uint8Array(16), ...low])), weight: 1,
  })

  it('every library recovers the same key or none, for any digest, r, s and v', () => {
    fc.assert(fc.property(exactBytes(32), scalar, scalar, fc.integer({ min: 0, max: 5 }), (digest, r, s, v) => {
      const signature = new Uint8Array([...r, ...s])
      const key = crypto.recover(digest, signature, v)
      for (const other of others) expect(other.recover(digest, signature, v), other.recoverBackend).to.deep.equal(key)
    }), { numRuns: samples(300) })
  })

  it('every library gives the same hash, whatever the parts', () => {
    fc.assert(fc.property(fc.array(anyBytes(300), { maxLength: 4 }), (parts) => {
      for (const other of others) expect(other.keccak256(...parts)).to.deep.equal(crypto.keccak256(...parts))
    }))
  })
})

/** n − s by bigint: an independent way. */
function negated(s: Uint8Array): Uint8Array {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  return fromHex((order - BigInt(`0x${toHex(s)}`)).toString(16).padStart(64, '0'))
}
