/** Whole batches in the checked build: every bound of every operation holds while it works, and its answers are the library's. */
import { expect } from 'chai'
import { equalBytes, loadCrypto } from '../../../src/protocol/index.js'
import { Cases, Random, publicKeyOf, toBytes, toNumber } from './cases.js'
import type { Case } from './cases.js'
import { CheckedModule, N } from './checked-module.js'

const VALID = 1
const UNDECIDED = 2

describe('secp256k1 batch: bounds of whole batches', () => {
  const random = new Random('bounds')

  function verify(module: CheckedModule, batch: readonly Case[], slotOf: (item: Case) => number): number[] {
    batch.forEach(({ digest, signature, v }, i) => {
      const at = module.call.RECORDS.value + 128 * i
      module.bytes.set([...digest, ...signature, v, slotOf(batch[i]!)], at)
    })
    module.call.verify(batch.length, 15)
    return [...module.bytes.subarray(module.call.STATUSES.value, module.call.STATUSES.value + batch.length)]
  }

  for (const [bitsG, bitsKey] of [[13, 10], [12, 8], [8, 8], [9, 13]] as const) {
    it(`windows of ${bitsG} and ${bitsKey} bits`, async () => {
      const crypto = await loadCrypto()
      const cases = new Cases(random, crypto, 4)
      const module = await CheckedModule.load(bitsG, bitsKey, 4)
      cases.keys.forEach(({ publicKey }, slot) => {
        module.bytes.set(publicKey, module.call.KEY.value)
        expect(module.call.buildTable(slot)).to.equal(1)
      })
      const waiting = cases.crafted()
      for (const size of [1, 2, 3, 5, 31, 127, 128]) {
        const batch = Array.from({ length: size }, () => random.below(4) === 0 ? waiting.pop() ?? cases.next() : cases.next())
        const statuses = verify(module, batch, item => cases.keys.findIndex(({ signer }) => equalBytes(signer, item.signer)))
        batch.forEach(({ kind, digest, signature, v, publicKey }, i) => {
          const recovered = crypto.recover(digest, signature, v)
          // 32 windows of G are a subtree of their own, whose sum is at infinity for m = 0: left to recovery.
          if (bitsG === 8 && statuses[i] === UNDECIDED && toNumber(digest) % N === 0n) return
          expect(statuses[i], kind).to.equal(recovered !== undefined && equalBytes(recovered, publicKey) ? VALID : 0)
        })
      }
    })
  }

  it('tables hold the odd multiples that they should', async () => {
    const module = await CheckedModule.load(8, 9, 2)
    const key = random.scalar()
    module.bytes.set(publicKeyOf(key), module.call.KEY.value)
    expect(module.call.buildTable(1)).to.equal(1)
    const tables = [[1n, 8, module.call.TABLES.value], [key, 9, module.call.TABLES.value + module.call.tableSize(8) + module.call.tableSize(9)]] as const
    for (const [point, bits, at] of tables) {
      for (let time = 0; time < 60; time++) {
        const row = random.below(Math.ceil(256 / bits))
        const entry = time < 4 ? [0, 2 ** (bits - 1) - 1][time % 2]! : random.below(2 ** (bits - 1))
        const expected = publicKeyOf(point * BigInt(2 * entry + 1) * 2n ** BigInt(bits * row) % N)
        const where = at + 64 * (row * 2 ** (bits - 1) + entry)
        expect(module.words(where)).to.equal(toNumber(expected.subarray(0, 32)))
        expect(module.words(where + 32)).to.equal(toNumber(expected.subarray(32)))
      }
    }
  })

  it('leaves a table that does not exist to recovery or refuses, and never reads beyond', async () => {
    const crypto = await loadCrypto()
    const cases = new Cases(random, crypto, 1)
    const module = await CheckedModule.load(8, 9, 1)
    module.bytes.set(cases.keys[0]!.publicKey, module.call.KEY.value)
    module.call.buildTable(0)
    const item = { ...cases.crafted()[0]!, digest: random.bytes() }
    expect(verify(module, [item, item], () => 1)).to.deep.equal([0, 0])
    expect(module.call.buildTable(1)).to.equal(0)
  })

  it('says undecided, and nothing else, of equal and opposite points', async () => {
    const crypto = await loadCrypto()
    const cases = new Cases(random, crypto, 1)
    const module = await CheckedModule.load(13, 10, 2)
    module.bytes.set(cases.keys[0]!.publicKey, module.call.KEY.value)
    module.call.buildTable(0)
    const good = cases.crafted().filter(({ expected }) => expected)
    for (const item of cases.exceptional(6)) {
      module.bytes.set(item.publicKey, module.call.KEY.value)
      module.call.buildTable(1)
      const flipped = { ...item, v: item.v ^ 1 }
      const statuses = verify(module, [good[0]!, item, good[1]!, flipped, good[2]!], each => each === item || each === flipped ? 1 : 0)
      expect(statuses).to.deep.equal([VALID, UNDECIDED, VALID, UNDECIDED, VALID])
    }
  })

  it('takes u1 = 0 and u2 = 1 as any other', async () => {
    const crypto = await loadCrypto()
    const cases = new Cases(random, crypto, 1)
    const [{ publicKey, signer }] = cases.keys as [typeof cases.keys[number]]
    const module = await CheckedModule.load(13, 10, 1)
    module.bytes.set(publicKey, module.call.KEY.value)
    module.call.buildTable(0)
    // m = 0 and s = r: R is the key itself.
    const r = toNumber(publicKey.subarray(0, 32)) % N
    const signature = new Uint8Array([...toBytes(r), ...toBytes(r)])
    const item: Case = { kind: 'R = Q', digest: new Uint8Array(32), signature, v: publicKey[63]! & 1, publicKey, signer }
    expect(verify(module, [item], () => 0)).to.deep.equal([VALID])
    expect(equalBytes(crypto.recover(item.digest, signature, item.v)!, publicKey)).to.equal(true)
  })
})
