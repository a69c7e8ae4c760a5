import { expect } from 'chai'
import { silentLogger, systemClock } from '../../src/actors/kernel/index.js'
import { openPool, validatorConfig } from '../../src/actors/validator/index.js'
import type { CheckPool, PoolConfig } from '../../src/actors/validator/index.js'
import { packBatch, readRecords } from '../../src/actors/validator/packing.js'
import { Finding, toHex } from '../../src/protocol/index.js'
import { commitments, signing, txListMessages, withByte } from './samples.js'
import { fromHex } from '../../src/protocol/index.js'

describe('validator pool', () => {
  const open: CheckPool[] = []
  afterEach(async () => { await Promise.all(open.splice(0).map(pool => pool.close())) })

  async function start (options: Partial<PoolConfig> = {}): Promise<CheckPool> {
    const { pool: config } = validatorConfig({ pool: { threads: 2, ...options } })
    const pool = await openPool({ clock: systemClock, log: silentLogger }, config, { ready () { /* not needed */ }, broken () { /* not needed */ } })
    open.push(pool)
    return pool
  }

  it('finds what the vectors say of each commitment', async () => {
    const pool = await start()
    const items = signing.valid.map(({ ssz }) => fromHex(ssz))
    const records = readRecords(await pool.run('commitments', packBatch('commitments', items)), items.length)
    for (const [index, { address, preconfirmationHash }] of signing.valid.entries()) {
      expect(records.finding(index)).to.be.oneOf([Finding.valid, Finding.zero_tx_list_hash])
      if (records.finding(index) !== Finding.valid) continue
      expect(toHex(records.signer(index))).to.equal(address)
      expect(toHex(records.hash(index))).to.equal(preconfirmationHash)
    }
  })
  it('judges txlists', async () => {
    const pool = await start()
    const items = [...txListMessages, withByte(txListMessages[1]!, 0, 1)]
    const records = readRecords(await pool.run('txLists', packBatch('txLists', items)), items.length)
    for (let i = 0; i < items.length; i++) expect(records.finding(i)).to.equal(i === items.length - 1 ? Finding.hash_mismatch : Finding.valid)
    expect(commitments.length).to.be.above(10)
  })
})
