/** A sample of `npm run campaign -- batch`. */
import { expect } from 'chai'
import { loadCrypto } from '../../../src/protocol/index.js'
import { Cases, Random } from './cases.js'
import { loadVerifier, oracles, runDifferential } from './differential.js'
import { samples } from '../../support/samples.js'

const SEED = 20_261

describe('secp256k1 batch: against recovery libraries', () => {
  it('gives the same answer on a mixture of everything, in one instance', async () => {
    let checks = 0
    const wrong: string[] = []
    const check = (right: boolean, what: () => string): void => {
      checks++
      if (!right && wrong.length < 5) wrong.push(what())
    }
    await runDifferential({ seed: SEED, signatures: samples(3_000), tables: 5, signers: 8, check })
    expect(wrong).to.deep.equal([])
    expect(checks).to.be.above(samples(3_000))
  })

  it('gives the same answer for each kind, alone and among 299 good ones', async () => {
    const random = new Random(SEED + 1)
    const [crypto] = await oracles()
    const cases = new Cases(random, crypto ?? await loadCrypto(), 2)
    const verifier = await loadVerifier(cases.keys.length > 0 ? await loadCrypto() : crypto!, random, { signers: 2 })
    for (const { publicKey } of cases.keys) verifier.prepare(publicKey)
    const seen = new Set<string>()
    const good = []
    while (good.length < 299) {
      const item = cases.next()
      if (item.kind === 'as signed') good.push(item)
    }
    while (seen.size < cases.kinds.length) {
      const item = cases.next()
      if (seen.has(item.kind)) continue
      seen.add(item.kind)
      const alone = verifier.verify([item])
      const among = verifier.verify([...good.slice(0, 150), item, ...good.slice(150)])
      expect(among[150], item.kind).to.equal(alone[0])
      expect(among.filter((_, index) => index !== 150).every(Boolean), item.kind).to.equal(true)
      if (item.expected !== undefined) expect(alone[0], item.kind).to.equal(item.expected)
    }
  })

  it('leaves equal and opposite points to recovery, and their neighbours alone', async () => {
    const random = new Random(SEED + 2)
    const crypto = await loadCrypto()
    const cases = new Cases(random, crypto, 1)
    const verifier = await loadVerifier(crypto, random)
    verifier.prepare(cases.keys[0]!.publicKey)
    const good = Array.from({ length: 400 }, () => cases.next()).filter(({ kind }) => kind === 'as signed')
    for (const item of cases.exceptional(8)) {
      verifier.prepare(item.publicKey)
      const before = verifier.figures.undecided
      expect(verifier.verify([...good.slice(0, 41), item, ...good.slice(41, 80)])).to.deep.equal(new Array(81).fill(true))
      expect(verifier.figures.undecided).to.equal(before + 1)
      expect(verifier.verify([{ ...item, v: item.v ^ 1 }, good[0]!])).to.deep.equal([false, true])
    }
    expect(verifier.figures.undecided).to.equal(16)
  })
})
