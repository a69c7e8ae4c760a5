import { expect } from 'chai'
import { silentLogger, systemClock } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { Validator, openPool, validator, validatorConfig } from '../../src/actors/validator/index.js'
import type { CheckPool, PoolEvents, ValidatorOptions } from '../../src/actors/validator/index.js'
import { BatchThread } from '../../src/actors/validator/batch-thread.js'
import { judgeBatch } from '../../src/actors/validator/judge.js'
import { packBatch, readRecords } from '../../src/actors/validator/packing.js'
import { MOST_EXPECTED, SharedSigners } from '../../src/actors/validator/shared-signers.js'
import {
  DEFAULT_DOMAIN, Finding, OFFSETS, SIGNED_COMMITMENT_SIZE, loadCrypto, signerFromKey, signingHash, toHex,
} from '../../src/protocol/index.js'
import type { BatchEvidence } from '../../src/protocol/secp256k1/index.js'
import { until } from '../support/until.js'
import { FakePool } from './fake-pool.js'

const signers = [1, 2].map(byte => signerFromKey(new Uint8Array(32).fill(byte)))
const windowOf = (signer: number): number => 1_800_000_384 + 384 * signer

async function commitments(count: number): Promise<Uint8Array[]> {
  const crypto = await loadCrypto()
  return Array.from({ length: count }, (_, i) => {
    const bytes = new Uint8Array(SIGNED_COMMITMENT_SIZE)
    const view = new DataView(bytes.buffer)
    view.setUint32(OFFSETS.blockNumber, i, true)
    view.setUint32(OFFSETS.submissionWindowEnd, windowOf(i % 2), true)
    bytes.fill(7, OFFSETS.rawTxListHash, OFFSETS.rawTxListHash + 32)
    bytes.set(signers[i % 2]!(signingHash(crypto, DEFAULT_DOMAIN, bytes.subarray(0, OFFSETS.signature))), OFFSETS.signature)
    return bytes
  })
}

describe('validator: commitments of known signers', () => {
  describe('the board', () => {
    it('shows each reader a new list once, and keeps the last signers of a long one', () => {
      const writer = new SharedSigners()
      const reader = new SharedSigners(writer.memory)
      expect(reader.read(0)).to.equal(undefined)
      const list = [{ address: signers[0]!.address, submissionWindowEnd: 2n ** 63n + 5n }, { address: signers[1]!.address }]
      writer.write(list)
      const first = reader.read(0)
      expect(first?.signers).to.deep.equal(list.map(each => ({ ...each, address: new Uint8Array(each.address) })))
      expect(reader.read(first!.version)).to.equal(undefined)
      writer.write(Array.from({ length: MOST_EXPECTED + 6 }, (_, i) => ({ address: new Uint8Array(20).fill(i) })))
      const second = reader.read(first!.version)
      expect(second?.signers).to.have.length(MOST_EXPECTED)
      expect(second?.signers[0]?.address[0]).to.equal(6)
      writer.write([])
      expect(reader.read(second!.version)?.signers).to.deep.equal([])
    })

    it('adds up what threads did', () => {
      const board = new SharedSigners()
      const none = board.figures()
      board.add({ ...none, batched: 5, tables: 1 }, none)
      board.add({ ...none, batched: 9, tables: 1 }, { ...none, batched: 5, tables: 1 })
      expect(new SharedSigners(board.memory).figures()).to.deep.equal({ ...none, batched: 9, tables: 1 })
      expect(board.off).to.equal(false)
      new SharedSigners(board.memory).switchOff()
      expect(board.off).to.equal(true)
    })
  })

  it('a module that fails is off everywhere, and everything is judged by recovery', async () => {
    const crypto = await loadCrypto()
    const board = new SharedSigners()
    const rules = { domain: DEFAULT_DOMAIN }
    let fails = false
    const batch = await BatchThread.load(Promise.resolve(crypto), {
      rules, settings: { enabled: true, sampleEvery: 1, signers: 4 }, board: board.memory, alarm: () => undefined,
      random: () => { if (fails) throw new Error('unreachable'); return 0 },
    })
    board.write(signers.map(({ address }, i) => ({ address, submissionWindowEnd: BigInt(windowOf(i)) })))
    const items = await commitments(12)
    const judged = (): number[] => {
      const buffer = packBatch('commitments', items)
      judgeBatch(buffer, rules, crypto, batch)
      const records = readRecords(buffer, items.length)
      return items.map((_, i) => records.finding(i))
    }
    const valid = new Array<number>(12).fill(Finding.valid)
    expect(judged()).to.deep.equal(valid)
    fails = true
    expect(judged()).to.deep.equal(valid)
    expect(batch.off).to.match(/it failed: unreachable/)
    expect(board.off).to.equal(true)
    const { batched } = board.figures()
    expect(judged()).to.deep.equal(valid)
    expect(board.figures().batched).to.equal(batched)
  })

  describe('the pool', () => {
    const open: CheckPool[] = []
    afterEach(() => Promise.all(open.splice(0).map(pool => pool.close())))

    async function start(options: ValidatorOptions['pool'], events: Partial<PoolEvents> = {}): Promise<CheckPool> {
      const { pool: config } = validatorConfig({ pool: { threads: 1, ...options } })
      const pool = await openPool({ clock: systemClock, log: silentLogger }, config, { ready: () => undefined, broken: () => undefined, ...events })
      open.push(pool)
      return pool
    }

    async function check(pool: CheckPool, items: readonly Uint8Array[]) {
      return readRecords(await pool.run('commitments', packBatch('commitments', items)), items.length)
    }

    it('checks those of expected signers together, and says how many', async () => {
      const pool = await start({})
      expect(pool.workers[0]?.batchOff).to.equal(undefined)
      pool.expect(signers.map(({ address }, i) => ({ address, submissionWindowEnd: BigInt(windowOf(i)) })))
      const items = await commitments(40)
      const records = await check(pool, items)
      for (let i = 0; i < items.length; i++) {
        expect(records.finding(i)).to.equal(Finding.valid)
        expect(toHex(records.signer(i))).to.equal(toHex(signers[i % 2]!.address))
      }
      expect(pool.together).to.include({ batched: 38, recovered: 2, tables: 2, off: false })
    })

    it('recovers everything where the configuration says so, and says so', async () => {
      const pool = await start({ together: { enabled: false } })
      expect(pool.workers[0]?.batchOff).to.equal('by configuration')
      const records = await check(pool, await commitments(40))
      expect(records.finding(39)).to.equal(Finding.valid)
      expect(pool.together).to.include({ batched: 0, recovered: 0 })
    })

    it('tells a wrong answer with its evidence, once, and is off in all threads from then on', async () => {
      const alarms: BatchEvidence[] = []
      const pool = await start({ threads: 2, worker: new URL('./workers/liar.js', import.meta.url) }, { alarm: evidence => { alarms.push(evidence) } })
      pool.expect(signers.map(({ address }, i) => ({ address, submissionWindowEnd: BigInt(windowOf(i)) })))
      const items = await commitments(32)
      await check(pool, items)
      await until(() => alarms.length > 0 && pool.together.off, 'the alarm')
      expect(alarms).to.have.length(1)
      expect(alarms[0]).to.include({ what: 'signer', recovered: undefined })
      expect(signers.map(({ address }) => toHex(address))).to.include(toHex(alarms[0]!.expected))
      const { batched } = pool.together
      await Promise.all([check(pool, items), check(pool, items)])
      expect(pool.together).to.include({ batched, off: true })
      expect(alarms).to.have.length(1)
    })
  })

  it('takes the schedule\'s signers to the pool, and shows in its figures which way signatures went', async () => {
    const { spawn, settle } = testKit()
    const pool = new FakePool()
    const take = () => 'ok' as const
    const ref = new Validator(await spawn(validator({ chain: { commitments: take, txLists: take, page: take }, openPool: pool.open }, validatorConfig())))
    const list = [{ address: signers[0]!.address, submissionWindowEnd: 9n }]
    expect(ref.expectSigners(list)).to.equal('ok')
    await settle()
    expect(pool.expected).to.deep.equal(list)
    pool.together = { ...pool.together, batched: 3 }
    const figures = ref.figures(1_000)
    await settle()
    expect((await figures).together.batched).to.equal(3)
  })

  it('refuses a configuration out of range', () => {
    for (const together of [{ sampleEvery: -1 }, { sampleEvery: 1.5 }, { signers: 0 }, { signers: 257 }]) {
      expect(() => validatorConfig({ pool: { together } })).to.throw(/must be a whole number/).with.property('code', 'bad_config')
    }
  })
})
