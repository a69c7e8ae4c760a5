import { expect } from 'chai'
import {
  addressOf, DEFAULT_DOMAIN, parseDomain, preconfirmationHash, signingHash, toHex, txListHash, PreconfCommitmentCodec,
  PreconfirmationCodec,
} from '../../src/protocol/index.js'
import { commitment, crypto, preconfirmation, refusal, signedBytes } from './fixtures.js'

describe('protocol/hash and protocol/domain', () => {
  it('hashes what SPEC §4 says', () => {
    const bytes = signedBytes()
    expect(signingHash(crypto, DEFAULT_DOMAIN, bytes.subarray(0, 317)))
      .to.deep.equal(crypto.keccak256(new Uint8Array([...DEFAULT_DOMAIN, ...PreconfCommitmentCodec.encode(commitment())])))
    expect(preconfirmationHash(crypto, bytes.subarray(0, 297)))
      .to.deep.equal(crypto.keccak256(PreconfirmationCodec.encode(preconfirmation())))
    const empty = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
    expect(toHex(txListHash(crypto, new Uint8Array(0)))).to.equal(empty)
  })

  it('takes the last 20 bytes of the key\'s hash for an address', () => {
    // The key of private key 1, whose address is well known.
    const generator = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
      + '483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8'
    const address = addressOf(crypto, Uint8Array.from(generator.match(/../g)!, (byte) => parseInt(byte, 16)))
    expect(toHex(address)).to.equal('7e5f4552091a69125d5dfcb7b8c2659029395bdf')
  })

  it('has the placeholder for a default domain', () => {
    expect(new TextDecoder().decode(DEFAULT_DOMAIN)).to.equal('TAIKO_PRECONF_DOMAIN_PLACEHOLDER')
    expect(DEFAULT_DOMAIN.length).to.equal(32)
  })

  it('parses 64 hex digits with or without 0x, and 32 bytes', () => {
    const hex = toHex(DEFAULT_DOMAIN)
    for (const domain of [hex, `0x${hex}`, hex.toUpperCase(), DEFAULT_DOMAIN]) {
      expect(parseDomain(domain)).to.deep.equal(DEFAULT_DOMAIN)
    }
    expect(parseDomain(DEFAULT_DOMAIN)).to.not.equal(DEFAULT_DOMAIN)
  })

  it('refuses any other length or form with invalid_domain', () => {
    const texts = ['', '0x', '00'.repeat(31), '00'.repeat(33), '0'.repeat(63), 'g'.repeat(64)]
    for (const domain of [...texts, new Uint8Array(31), undefined, 7, {}]) {
      refusal(() => parseDomain(domain as string), 'invalid_domain')
    }
  })
})
