import { expect } from 'chai'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { addressOf, loadCrypto } from '../../../src/protocol/index.js'
import type { Crypto } from '../../../src/protocol/index.js'
import { BatchVerifier } from '../../../src/protocol/secp256k1/index.js'
import type { BatchEvidence, BatchOptions } from '../../../src/protocol/secp256k1/index.js'
import { Cases, Random } from './cases.js'
import type { Case } from './cases.js'

describe('secp256k1 batch: verifier', () => {
  let crypto: Crypto
  let cases: Cases
  const random = new Random('verifier')
  before(async () => {
    crypto = await loadCrypto()
    cases = new Cases(random, crypto, 6)
  })

  async function load(options: Partial<BatchOptions> = {}, with_: Crypto = crypto): Promise<BatchVerifier> {
    const { verifier, reason } = await BatchVerifier.load(with_, { random: () => random.fraction(), ...options })
    if (verifier === undefined) throw new Error(reason)
    return verifier
  }

  function good(count: number, signer?: number): Case[] {
    const found: Case[] = []
    while (found.length < count) {
      const item = cases.next()
      if (item.kind === 'as signed' && (signer === undefined || Buffer.compare(item.signer, cases.keys[signer]!.signer) === 0)) found.push(item)
    }
    return found
  }

  it('recovers what it has no table for, and what is too little', async () => {
    const verifier = await load({ least: 4 })
    expect(verifier.verify(good(5))).to.deep.equal(new Array(5).fill(true))
    expect(verifier.figures).to.include({ batched: 0, recovered: 5 })
    verifier.prepare(cases.keys[0]!.publicKey)
    expect(verifier.verify(good(3, 0))).to.deep.equal([true, true, true])
    expect(verifier.figures).to.include({ batched: 0, recovered: 8 })
    expect(verifier.verify(good(4, 0))).to.deep.equal(new Array(4).fill(true))
    expect(verifier.figures).to.include({ batched: 4, recovered: 8 })
    expect(verifier.verify([])).to.deep.equal([])
  })

  it('keeps the tables of the signers that were used last', async () => {
    const verifier = await load({ signers: 2 })
    const [a, b, c] = cases.keys
    expect(verifier.prepare(a!.publicKey)?.address).to.deep.equal(addressOf(crypto, a!.publicKey))
    const second = verifier.prepare(b!.publicKey)
    expect(second?.slot).to.not.equal(undefined)
    verifier.signer(a!.signer)
    verifier.prepare(c!.publicKey)
    expect(verifier.signer(b!.signer)).to.equal(undefined)
    expect(second?.slot).to.equal(undefined)
    expect(verifier.signer(a!.signer)).to.not.equal(undefined)
    expect(verifier.figures).to.include({ tables: 3, evicted: 1 })
    verifier.prepare(c!.publicKey)
    expect(verifier.figures).to.include({ tables: 3, evicted: 1 })
    expect(verifier.verify([...good(3, 0), ...good(3, 1), ...good(3, 2)])).to.deep.equal(new Array(9).fill(true))
    expect(verifier.figures).to.include({ batched: 6, recovered: 3 })
  })

  it('works with a single table too', async () => {
    const verifier = await load({ signers: 1 })
    const [a, b] = cases.keys
    verifier.prepare(a!.publicKey)
    expect(verifier.hasRoom).to.equal(false)
    verifier.prepare(b!.publicKey)
    expect(verifier.signer(a!.signer)).to.equal(undefined)
    expect(verifier.verify([...good(3, 0), ...good(3, 1)])).to.deep.equal(new Array(6).fill(true))
    expect(verifier.figures).to.include({ batched: 3, recovered: 3, tables: 2, evicted: 1 })
  })

  it('builds no table of what is no public key', async () => {
    const verifier = await load()
    const { publicKey } = cases.keys[0]!
    const off = publicKey.slice()
    off[63] = off[63]! ^ 1
    expect(verifier.prepare(off)).to.equal(undefined)
    expect(verifier.prepare(new Uint8Array(64))).to.equal(undefined)
    expect(verifier.prepare(new Uint8Array(64).fill(255))).to.equal(undefined)
    expect(verifier.prepare(publicKey.subarray(1))).to.equal(undefined)
    expect(verifier.figures.tables).to.equal(0)
    expect(verifier.prepare(publicKey)?.slot).to.not.equal(undefined)
  })

  it('checks about one in sampleEvery again', async () => {
    for (const [sampleEvery, least, most] of [[1, 512, 512], [16, 16, 64], [0, 0, 0]] as const) {
      const verifier = await load({ sampleEvery })
      verifier.prepare(cases.keys[0]!.publicKey)
      const items = good(64, 0)
      for (let round = 0; round < 8; round++) verifier.verify(items)
      expect(verifier.figures.sampled).to.be.within(least, most)
    }
  })

  it('is off after one disagreement, says so once, with what shows it, and recovers from then on', async () => {
    const alarms: BatchEvidence[] = []
    let lie = false
    // Stands for a module at fault: whichever of the two is wrong, they do not agree.
    const liar: Crypto = { ...crypto, recover: (digest, signature, v) => lie ? undefined : crypto.recover(digest, signature, v) }
    const verifier = await load({ sampleEvery: 1, onAlarm: evidence => { alarms.push(evidence) } }, liar)
    verifier.prepare(cases.keys[1]!.publicKey)
    const items = good(6, 1)
    expect(verifier.verify(items)).to.deep.equal(new Array(6).fill(true))
    lie = true
    expect(verifier.verify(items)).to.deep.equal(new Array(6).fill(false))
    expect(verifier.off).to.match(/recovery does not give/)
    expect(alarms).to.have.length(1)
    expect(alarms[0]).to.deep.equal({
      digest: items[0]!.digest, signature: items[0]!.signature, v: items[0]!.v, expected: cases.keys[1]!.signer,
      publicKey: cases.keys[1]!.publicKey, recovered: undefined, what: 'signer',
    })
    lie = false
    const { batched } = verifier.figures
    expect(verifier.verify(items)).to.deep.equal(new Array(6).fill(true))
    expect(verifier.figures.batched).to.equal(batched)
    expect(verifier.prepare(cases.keys[2]!.publicKey)).to.equal(undefined)
  })

  describe('is not used, and says why,', () => {
    let folder: string
    before(async () => { folder = await mkdtemp(join(tmpdir(), 'batch-')) })
    after(() => rm(folder, { recursive: true, force: true }))
    const built = new URL('../../../src/protocol/secp256k1/batch.wasm', import.meta.url)

    const reasonOf = async (name: string, code?: Uint8Array): Promise<string> => {
      const file = join(folder, name)
      if (code !== undefined) await writeFile(file, code)
      const { verifier, reason } = await BatchVerifier.load(crypto, { random: () => 0, file: pathToFileURL(file) })
      expect(verifier).to.equal(undefined)
      return reason!
    }

    it('where the platform does not take the module', async () => {
      expect(await reasonOf('no.wasm', Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 255))).to.match(/SIMD/)
    })

    it('where its file is missing', async () => {
      expect(await reasonOf('missing.wasm')).to.match(/ENOENT/)
    })

    it('where it does not know the known answers', async () => {
      const file = join(folder, 'wrong.wasm')
      await copyFile(built, file)
      const lying: Crypto = { ...crypto, keccak256: (...parts) => crypto.keccak256(...parts).fill(0, 31) }
      const { verifier, reason } = await BatchVerifier.load(lying, { random: () => 0, file: pathToFileURL(file) })
      expect(verifier).to.equal(undefined)
      expect(reason).to.match(/^self-test: .* hash is wrong$/)
    })
  })
})
