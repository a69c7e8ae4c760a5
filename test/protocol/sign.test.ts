import { expect } from 'chai'
import {
  DEFAULT_DOMAIN, normalizeHighS, PreconfCommitmentCodec, signCommitment, signerFromKey, signingHash, toHex, type Signer,
} from '../../src/protocol/index.js'
import { isHigh, isScalar, negateScalar } from '../../src/protocol/bytes.js'
import { asyncRefusal, commitment, crypto, privateKey, refusal, sign, signer } from './fixtures.js'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

function scalar(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number(value >> BigInt(8 * (31 - i)) & 255n))
}

/** The mangled twin of a signature. */
function mangled(signature: Uint8Array): Uint8Array {
  const high = new Uint8Array(signature)
  negateScalar(high, 32)
  high[64] = high[64]! ^ 1
  return high
}

describe('protocol/sign', () => {
  it('signs deterministically and low-S, from bytes or hex', () => {
    const digest = crypto.keccak256(new Uint8Array([1]))
    const again = signerFromKey(`0x${toHex(privateKey)}`)
    expect(again.address).to.deep.equal(signer.address)
    expect(again(digest)).to.deep.equal(signer(digest))
    for (let i = 0; i < 30; i++) {
      const signature = signer(crypto.keccak256(new Uint8Array([i])))
      expect(signature.length).to.equal(65)
      expect(isHigh(signature, 32)).to.equal(false)
      expect(signature[64]).to.be.below(4)
    }
  })

  it('refuses a key that is none, without telling it', () => {
    const texts = ['', '00', '00'.repeat(32), 'ff'.repeat(32), 'zz'.repeat(32)]
    for (const key of [...texts, new Uint8Array(31), scalar(ORDER), scalar(0n), undefined, 7]) {
      const error = refusal(() => signerFromKey(key as string), 'invalid_key')
      expect(error.message).to.equal('a private key is 32 bytes (64 hex digits), above zero and below the group order')
      expect(error.value).to.equal(undefined)
      expect(error.cause).to.equal(undefined)
    }
    for (const key of [scalar(1n), scalar(ORDER - 1n)]) expect(signerFromKey(key).address.length).to.equal(20)
  })

  it('is not changed when the caller wipes its key', () => {
    const key = new Uint8Array(privateKey)
    const own = signerFromKey(key)
    key.fill(0)
    expect(own(new Uint8Array(32).fill(1))).to.deep.equal(signer(new Uint8Array(32).fill(1)))
  })

  it('signs a commitment under a domain', async () => {
    const value = commitment()
    expect(await signCommitment(value, signer, { crypto })).to.deep.equal(sign(value))
    const domain = new Uint8Array(32).fill(5)
    const other = await signCommitment(value, signer, { crypto, domain })
    expect(other).to.deep.equal(sign(value, domain))
    expect(other.signature).to.not.deep.equal(sign(value).signature)
  })

  it('hands the digest and the commitment to a signer elsewhere', async () => {
    const value = commitment()
    const seen: unknown[] = []
    const remote: Signer = async (digest, what) => { seen.push(digest, what); return signer(digest) }
    expect(await signCommitment(value, remote, { crypto })).to.deep.equal(sign(value))
    expect(seen).to.deep.equal([signingHash(crypto, DEFAULT_DOMAIN, PreconfCommitmentCodec.encode(value)), value])
  })

  it('brings a high s and a v of 27 or 28 of a signer elsewhere to the form of the wire', async () => {
    const value = commitment()
    const high: Signer = (digest) => mangled(signer(digest))
    const ethereum: Signer = (digest) => { const s = signer(digest); s[64] = s[64]! + 27; return s }
    expect(await signCommitment(value, high, { crypto })).to.deep.equal(sign(value))
    expect(await signCommitment(value, ethereum, { crypto })).to.deep.equal(sign(value))
  })

  it('refuses an answer that is no signature, or another signer\'s', async () => {
    const value = commitment()
    const lengths = [new Uint8Array(64), new Uint8Array(66), new Uint8Array(65), new Uint8Array(65).fill(255)]
    for (const answer of [undefined, null, 'x', ...lengths]) {
      await asyncRefusal(signCommitment(value, () => answer as Uint8Array, { crypto }), 'invalid_signature')
    }
    const imposter: Signer = Object.assign((digest: Uint8Array) => signer(digest), { address: new Uint8Array(20) })
    await asyncRefusal(signCommitment(value, imposter, { crypto }), 'signer_mismatch')
    const failure = new Error('the vault is closed')
    const broken = await signCommitment(value, () => { throw failure }, { crypto }).catch((error: unknown) => error)
    expect(broken).to.equal(failure)
  })

  it('does not ask the signer for a commitment that cannot be encoded', async () => {
    let asked = false
    const curious: Signer = (digest) => { asked = true; return signer(digest) }
    await asyncRefusal(signCommitment(commitment({ blockNumber: -1n }), curious, { crypto }), 'invalid_value')
    expect(asked).to.equal(false)
  })

  describe('normalizeHighS', () => {
    it('gives the low-S twin of a mangled signature, and leaves others alone', () => {
      const { signature } = sign(commitment())
      expect(normalizeHighS(mangled(signature))).to.deep.equal(signature)
      expect(normalizeHighS(signature)).to.deep.equal(signature)
      expect(normalizeHighS(signature)).to.not.equal(signature)
      refusal(() => normalizeHighS(signature.subarray(1)), 'invalid_length')
    })

    it('draws the line at (n − 1) / 2 and leaves s out of range as it is', () => {
      const half = (ORDER - 1n) / 2n
      const cases: [bigint, bigint][] = [
        [half, half], [half + 1n, half], [ORDER - 1n, 1n], [1n, 1n], [0n, 0n], [ORDER, ORDER], [ORDER + 1n, ORDER + 1n],
      ]
      for (const [s, expected] of cases) {
        const signature = new Uint8Array(65)
        signature.set(scalar(s), 32)
        expect(normalizeHighS(signature).subarray(32, 64)).to.deep.equal(scalar(expected))
        expect(normalizeHighS(signature)[64]).to.equal(s === expected ? 0 : 1)
      }
    })
  })

  it('compares scalars at their edges', () => {
    const cases = [
      [0n, false], [1n, true], [ORDER - 1n, true], [ORDER, false], [ORDER + 1n, false], [(1n << 256n) - 1n, false],
    ] as const
    for (const [value, valid] of cases) {
      expect(isScalar(scalar(value), 0), value.toString(16)).to.equal(valid)
    }
  })
})
