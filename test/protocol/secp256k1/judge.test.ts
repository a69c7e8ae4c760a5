import { expect } from 'chai'
import * as fc from 'fast-check'
import {
  DEFAULT_DOMAIN, Finding, OFFSETS, RECORD_HASH, RECORD_SIGNER, RECORD_SIZE, SIGNED_COMMITMENT_SIZE, checkCommitment, loadCrypto, signingHash,
} from '../../../src/protocol/index.js'
import type { Crypto } from '../../../src/protocol/index.js'
import { BatchVerifier, CommitmentJudge } from '../../../src/protocol/secp256k1/index.js'
import type { BatchEvidence } from '../../../src/protocol/secp256k1/index.js'
import { HitRate, SignerGuess } from '../../../src/protocol/secp256k1/signer-guess.js'
import { N } from './checked-module.js'
import { Cases, Random, signDigest, toBytes, toNumber } from './cases.js'

const rules = { domain: DEFAULT_DOMAIN, slasher: undefined }
const SIZE = SIGNED_COMMITMENT_SIZE

describe('secp256k1 batch: commitments', () => {
  const random = new Random('judge')
  let crypto: Crypto
  let cases: Cases
  before(async () => {
    crypto = await loadCrypto()
    cases = new Cases(random, crypto, 40)
  })

  async function load(options: { readonly sampleEvery?: number; readonly signers?: number; readonly onAlarm?: (evidence: BatchEvidence) => void } = {}, using = crypto) {
    const { verifier } = await BatchVerifier.load(crypto, { random: () => random.fraction(), sampleEvery: 0, ...options })
    return { verifier: verifier!, judge: new CommitmentJudge(verifier!, rules, using) }
  }

  function commitment(signer: number, window: number): Uint8Array {
    const bytes = new Uint8Array(SIZE)
    bytes.set(random.bytes(), OFFSETS.rawTxListHash)
    bytes.set(random.bytes(), OFFSETS.parentPreconfirmationHash)
    new DataView(bytes.buffer).setUint32(OFFSETS.submissionWindowEnd, window, true)
    sign(bytes, signer)
    return bytes
  }

  function sign(bytes: Uint8Array, signer: number): void {
    const { signature, v } = signDigest(signingHash(crypto, DEFAULT_DOMAIN, bytes.subarray(0, OFFSETS.signature)), cases.keys[signer]!.key)
    bytes.set(signature, OFFSETS.signature)
    bytes[SIZE - 1] = v
  }

  function check(judge: CommitmentJudge, items: readonly Uint8Array[]): Uint8Array {
    const records = new Uint8Array(items.length * RECORD_SIZE).fill(99)
    judge.check(new Uint8Array(Buffer.concat(items)), records)
    return records
  }

  function expectOrdinary(records: Uint8Array, items: readonly Uint8Array[]): void {
    const expected = new Uint8Array(items.length * RECORD_SIZE)
    items.forEach((bytes, index) => checkCommitment(bytes, rules, crypto, expected, index * RECORD_SIZE))
    expect(Buffer.from(records).toString('hex')).to.equal(Buffer.from(expected).toString('hex'))
  }

  /** What senders may do to a commitment. */
  const harm: readonly ((bytes: Uint8Array) => void)[] = [
    () => undefined, () => undefined, () => undefined,
    bytes => { bytes[OFFSETS.signature + random.below(64)]! ^= 1 },
    bytes => { bytes[SIZE - 1] = random.below(6) },
    bytes => { bytes[random.below(OFFSETS.signature)]! ^= 1 },
    bytes => { bytes[0] = random.below(3) },
    bytes => { bytes.fill(0, OFFSETS.rawTxListHash, OFFSETS.rawTxListHash + 32) },
    bytes => {
      const s = OFFSETS.signature + 32
      bytes.set(toBytes(N - toNumber(bytes.subarray(s, s + 32)) % N), s)
      bytes[SIZE - 1]! ^= 1
    },
    bytes => { sign(bytes, random.below(3)) },
    bytes => { bytes.fill(0, OFFSETS.signature) },
  ]

  it('writes the records of the rules, whatever comes, in any batches', async () => {
    const { verifier, judge } = await load({ signers: 3 })
    judge.expect(cases.keys[0]!.signer, 1_000n)
    judge.expect(cases.keys[1]!.signer)
    judge.expect(cases.keys[2]!.signer, 3_000n)
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(harm.length - 1), fc.nat(3), fc.nat(3)), { minLength: 60, maxLength: 300, size: 'max' }), async draws => {
      const items = draws.map(([how, signer, window]) => {
        const bytes = commitment(how < 3 ? window : signer, 1_000 * (window + 1))
        harm[how]!(bytes)
        return bytes
      })
      expectOrdinary(check(judge, items), items)
    }), { numRuns: 15 })
    expect(verifier.figures.batched).to.be.above(100)
    expect(verifier.figures.refused).to.be.above(10)
    expect(verifier.figures.evicted).to.be.above(0)
  })

  it('knows the signer of a window from the schedule: its second commitment is in the batch', async () => {
    const { verifier, judge } = await load()
    judge.expect(cases.keys[3]!.signer, 5_000n)
    const items = Array.from({ length: 20 }, () => commitment(3, 5_000))
    expectOrdinary(check(judge, items), items)
    expect(verifier.figures).to.include({ batched: 19, recovered: 1, tables: 1 })
  })

  it('learns the signer of a window, and builds a table once that signer is familiar', async () => {
    const { verifier, judge } = await load()
    const items = Array.from({ length: 64 }, () => commitment(4, 6_000))
    expectOrdinary(check(judge, items), items)
    expect(verifier.figures).to.include({ batched: 32, recovered: 32, tables: 1 })
    const next = Array.from({ length: 64 }, () => commitment(4, 7_000))
    expectOrdinary(check(judge, next), next)
    expect(verifier.figures).to.include({ batched: 95, recovered: 33 })
  })

  it('builds few tables for signers that nobody named, however many come', async () => {
    const { verifier, judge } = await load()
    for (let signer = 5; signer < 35; signer++) check(judge, Array.from({ length: 40 }, () => commitment(signer, signer)))
    // Four at once, and then one for each 450 recoveries.
    expect(verifier.figures.tables).to.be.within(4, 4 + verifier.figures.recovered / 450)
  })

  it('does not let anybody talk it out of what the schedule said', () => {
    const guess = new SignerGuess()
    const [honest, other] = cases.keys
    guess.expect(honest!.signer, 1)
    for (let time = 0; time < 100; time++) guess.learn(1, other!.signer)
    expect(guess.of(1)?.signer.address).to.deep.equal(honest!.signer)
    for (let time = 0; time < 4; time++) guess.learn(2, honest!.signer)
    for (let time = 0; time < 3; time++) guess.learn(2, other!.signer)
    expect(guess.of(2)?.signer.address).to.deep.equal(honest!.signer)
    guess.learn(2, other!.signer)
    expect(guess.of(2)?.signer.address).to.deep.equal(other!.signer)
  })

  it('stops guessing where guesses are wrong, and notices when they are right again', () => {
    const hits = new HitRate()
    for (let batch = 0; batch < 20; batch++) if (hits.tries()) hits.saw(0, 64)
    expect(hits.rate).to.be.below(1 / 8)
    const tried = Array.from({ length: 160 }, () => hits.tries()).filter(Boolean)
    expect(tried).to.have.length(10)
    for (let batch = 0; batch < 64; batch++) if (hits.tries()) hits.saw(64, 0)
    expect(hits.rate).to.be.above(0.9)
  })

  for (const what of ['signer', 'hash'] as const) {
    it(`gives the records of the rules for the whole batch where a sample shows another ${what}`, async () => {
      const alarms: BatchEvidence[] = []
      let lie = false
      const using: Crypto = {
        ...crypto,
        recover: (digest, signature, v) => lie && what === 'signer' ? cases.keys[39]!.publicKey : crypto.recover(digest, signature, v),
        keccak256: (...parts) => lie && what === 'hash' && parts[0]!.length === 297 ? new Uint8Array(32).fill(7) : crypto.keccak256(...parts),
      }
      const { verifier, judge } = await load({ sampleEvery: 1, onAlarm: evidence => { alarms.push(evidence) } }, using)
      judge.expect(cases.keys[36]!.signer, 9_000n)
      const items = Array.from({ length: 12 }, () => commitment(36, 9_000))
      expectOrdinary(check(judge, items), items)
      lie = true
      const records = check(judge, items)
      for (let at = 0; at < records.length; at += RECORD_SIZE) {
        expect(records[at]).to.equal(Finding.valid)
        const signer = records.subarray(at + RECORD_SIGNER, at + RECORD_HASH)
        expect(signer).to.deep.equal(cases.keys[what === 'signer' ? 39 : 36]!.signer)
        if (what === 'hash') expect(records[at + RECORD_HASH]).to.equal(7)
      }
      expect(verifier.off).to.equal(`it gave another ${what} than recovery`)
      expect(alarms.map(alarm => alarm.what)).to.deep.equal([what])
      lie = false
      const { batched } = verifier.figures
      expectOrdinary(check(judge, items), items)
      expect(verifier.figures.batched).to.equal(batched)
    })
  }
})
