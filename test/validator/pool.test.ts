import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { silentLogger, systemClock } from '../../src/actors/kernel/index.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import type { Clock, Logger } from '../../src/actors/kernel/index.js'
import { ValidatorError, openPool, validatorConfig } from '../../src/actors/validator/index.js'
import type { CheckPool, PoolConfig, PoolEvents } from '../../src/actors/validator/index.js'
import { packBatch, readRecords } from '../../src/actors/validator/packing.js'
import type { BatchKind } from '../../src/actors/validator/packing.js'
import { Finding, RECORD_SIZE, checkCommitment, checkTxList, fromHex, loadCrypto, toHex } from '../../src/protocol/index.js'
import { thorough } from '../support/samples.js'
import { until } from '../support/until.js'
import { commitments, poisoned, signing, txListMessages, withByte } from './samples.js'

const run = promisify(execFile)
const workerNamed = (name: string): URL => new URL(`./workers/${name}.js`, import.meta.url)

describe('validator pool', () => {
  const open: CheckPool[] = []
  afterEach(async () => {
    delete process.env['VALIDATOR_TEST_BREAK']
    await Promise.all(open.splice(0).map(pool => pool.close()))
  })

  async function start(options: Partial<PoolConfig> = {}, events: Partial<PoolEvents> = {}, log: Logger = silentLogger, clock: Clock = systemClock): Promise<CheckPool> {
    const { pool: config } = validatorConfig({ pool: { threads: 2, ...options } })
    const pool = await openPool({ clock, log }, config, { ready: () => undefined, broken: () => undefined, ...events })
    open.push(pool)
    return pool
  }

  async function check(pool: CheckPool, kind: BatchKind, items: readonly Uint8Array[]) {
    return readRecords(await pool.run(kind, packBatch(kind, items)), items.length)
  }

  async function rejection(promise: Promise<unknown>): Promise<ValidatorError> {
    try { await promise } catch (error) {
      expect(error).to.be.instanceOf(ValidatorError)
      return error as ValidatorError
    }
    throw new Error('it did not reject')
  }

  it('finds of each commitment what the rules find in this thread', async () => {
    const pool = await start()
    const crypto = await loadCrypto()
    const { pool: { domain } } = validatorConfig()
    const items = [...signing.valid, ...signing.mutated].map(({ ssz }) => fromHex(ssz)).concat(commitments)
    for (let at = 0; at < items.length; at += 50) {
      const some = items.slice(at, at + 50)
      const records = await check(pool, 'commitments', some)
      for (const [index, item] of some.entries()) {
        const expected = new Uint8Array(RECORD_SIZE)
        checkCommitment(item, { domain }, crypto, expected)
        expect(records.finding(index)).to.equal(expected[0])
        expect(toHex(records.signer(index)) + toHex(records.hash(index))).to.equal(toHex(expected.subarray(1)))
      }
    }
    const records = await check(pool, 'commitments', signing.valid.map(({ ssz }) => fromHex(ssz)))
    for (const [index, { address }] of signing.valid.entries()) {
      if (records.finding(index) === Finding.valid) expect(toHex(records.signer(index))).to.equal(address)
    }
  })

  it('finds of each txlist what the rules find in this thread', async () => {
    const pool = await start()
    const crypto = await loadCrypto()
    const items = [...txListMessages, withByte(txListMessages[1]!, 0, 1), withByte(txListMessages[1]!, 32, 37)]
    const records = await check(pool, 'txLists', items)
    const out = new Uint8Array(RECORD_SIZE)
    expect(items.map((_, index) => records.finding(index))).to.deep.equal(items.map(item => checkTxList(item, crypto, out)))
    expect(records.finding(0)).to.equal(Finding.valid)
    expect(records.finding(items.length - 2)).to.equal(Finding.hash_mismatch)
  })

  it('takes the configured domain and slasher to the threads', async () => {
    const slasher = commitments[0]!.slice(297, 317)
    const pool = await start({ slasher })
    const records = await check(pool, 'commitments', [commitments[0]!, withByte(commitments[0]!, 297, commitments[0]![297]! ^ 1)])
    expect([records.finding(0), records.finding(1)]).to.deep.equal([Finding.valid, Finding.wrong_slasher])
    const other = await start({ domain: new Uint8Array(32) })
    const { address, ssz } = signing.valid.find(({ ssz }) => ssz.length > 0)!
    expect(toHex((await check(other, 'commitments', [fromHex(ssz)])).signer(0))).to.not.equal(address)
  })

  it('has every thread ready, with its libraries loaded, before it resolves', async () => {
    const pool = await start({ threads: 3 })
    expect(pool.workers).to.have.length(3)
    expect(pool.workers.every(({ recover, keccak, degraded }) => recover === 'secp256k1' && keccak === 'hash-wasm' && !degraded)).to.equal(true)
    expect(new Set(pool.workers.map(({ threadId }) => threadId)).size).to.equal(3)
    expect([pool.room('commitments'), pool.room('txLists'), pool.running, pool.deaths]).to.deep.equal(['idle', 'idle', 0, 0])
  })

  it('H36: says in the log and in its report that a slow library stands in', async () => {
    const warnings: object[] = []
    const log: Logger = { ...silentLogger, warn: fields => { warnings.push(fields) } }
    const pool = await start({ worker: workerNamed('no-native') }, {}, log)
    expect(pool.workers.map(({ recover, degraded }) => [recover, degraded])).to.deep.equal([['libauth', true], ['libauth', true]])
    expect(pool.workers[0]!.warnings.join()).to.contain('no binary for this platform')
    expect(warnings).to.have.length(2)
    expect(warnings[0]).to.include({ recover: 'libauth', degraded: true })
    expect((await check(pool, 'commitments', [commitments[0]!])).finding(0)).to.equal(Finding.valid)
  })

  it('runs on the libraries that the configuration insists on', async () => {
    const pool = await start({ threads: 1, crypto: { recover: 'noble', keccak: 'noble' } })
    expect(pool.workers[0]).to.include({ recover: 'noble', keccak: 'noble', degraded: true })
    expect((await check(pool, 'commitments', [commitments[0]!])).finding(0)).to.equal(Finding.valid)
  })

  it('runs nothing without room, and nothing after close', async () => {
    const pool = await start({ threads: 1 })
    const runs = [0, 1, 2].map(() => check(pool, 'commitments', commitments))
    expect((await rejection(runs[2]!)).code).to.equal('pool_full')
    await Promise.all([runs[0], runs[1]])
    await pool.close()
    expect((await rejection(check(pool, 'commitments', commitments))).code).to.equal('pool_closed')
    expect(pool.room('commitments')).to.equal('full')
  })

  it('lets running batches finish at close', async () => {
    const pool = await start({ threads: 1 }, {}, silentLogger, new ManualClock())
    const running = check(pool, 'commitments', commitments)
    await pool.close()
    expect((await running).finding(0)).to.equal(Finding.valid)
  })

  it('answers a buffer that is no batch with a typed error, and the thread lives', async () => {
    const pool = await start({ threads: 1 })
    expect((await rejection(pool.run('commitments', new ArrayBuffer(5)))).code).to.equal('bad_batch')
    expect(pool.deaths).to.equal(0)
    expect((await check(pool, 'commitments', [commitments[0]!])).finding(0)).to.equal(Finding.valid)
  })

  for (const how of ['exit', 'block', 'loop'] as const) it(`H31: rejects the batches of a thread that died or hangs (${how}), and replaces it`, async () => {
    let ready: (() => void) | undefined
    const replaced = new Promise<void>(resolve => { ready = resolve })
    const pool = await start({ threads: 1, worker: workerNamed('poison'), hangWithin: 500 }, { ready: () => ready?.() })
    const before = pool.workers[0]!.threadId
    const batches = [[poisoned(commitments[0]!, how)], [commitments[1]!]]
    const lost = await Promise.all(batches.map(items => rejection(check(pool, 'commitments', items))))
    expect(lost.map(({ code }) => code)).to.deep.equal(['worker_died', 'worker_died'])
    expect(pool.room('commitments')).to.equal('full')
    await replaced
    expect([pool.deaths, pool.hung, pool.workers.length, pool.running]).to.deep.equal([1, how === 'exit' ? 0 : 1, 1, 0])
    expect(pool.workers[0]!.threadId).to.not.equal(before)
    expect((await check(pool, 'commitments', [commitments[0]!])).finding(0)).to.equal(Finding.valid)
  })

  it('K97 a thread that is at work for longer than that is not ended, as long as batches come back', async () => {
    const pool = await start({ threads: 1, hangWithin: 1_000 })
    const until = performance.now() + 1_500
    while (performance.now() < until) await Promise.all([check(pool, 'commitments', commitments), check(pool, 'commitments', commitments)])
    expect(pool.deaths).to.equal(0)
  })

  it('H81 K108 its threads start whatever the flags of the process are', async () => {
    const pool = new URL('../../src/actors/validator/index.js', import.meta.url).href
    const kernel = new URL('../../src/actors/kernel/index.js', import.meta.url).href
    const body = `
      const { openPool, validatorConfig } = await import('${pool}')
      const { silentLogger, systemClock } = await import('${kernel}')
      const pool = await openPool({ clock: systemClock, log: silentLogger }, validatorConfig({ pool: { threads: 1, worker: new URL('${workerNamed('flags').href}') } }).pool, { ready() {}, broken() {} })
      console.log(pool.workers[0].warnings.join(' '))
      await pool.close()`
    for (const flags of [[], ['--expose-gc', '--max-old-space-size=96'], ['--unhandled-rejections=strict']]) {
      const { stdout } = await run(process.execPath, [...flags, '--input-type=module', '-e', body], { env: { ...process.env, NODE_OPTIONS: '--no-warnings' } })
      expect(stdout.trim(), flags.join(' ')).to.equal('none')
    }
  }).timeout(60_000)

  for (const how of ['load', 'exit', 'greet'] as const) {
    /** Time passes only for what does not say by itself that it fails. */
    const failing = async (clock: ManualClock, work: Promise<ValidatorError>): Promise<ValidatorError> => {
      let error: ValidatorError | undefined
      void work.then(each => { error = each })
      return until(() => { if (how === 'greet') clock.advance(5); return error }, 'it fails')
    }

    it(`rejects with a typed error when its threads fail to start (${how})`, async () => {
      process.env['VALIDATOR_TEST_BREAK'] = how
      const clock = new ManualClock()
      expect((await failing(clock, rejection(start({ worker: workerNamed('breakable'), startWithin: 1_500 }, {}, silentLogger, clock)))).code).to.equal('pool_broken')
    })

    it(`says that it is broken when a successor fails to start (${how})`, async () => {
      let broke: ((error: ValidatorError) => void) | undefined
      const broken = new Promise<ValidatorError>(resolve => { broke = resolve })
      const clock = new ManualClock()
      const pool = await start({ worker: workerNamed('breakable'), startWithin: 1_500 }, { broken: error => { broke?.(error) } }, silentLogger, clock)
      process.env['VALIDATOR_TEST_BREAK'] = how
      expect((await rejection(pool.run('commitments', packBatch('commitments', [])))).code).to.equal('worker_died')
      expect((await failing(clock, broken)).code).to.equal('pool_broken')
    })
  }

  it('rejects where the thread has no entry', async () => {
    expect((await rejection(start({ worker: workerNamed('nowhere') }))).code).to.equal('pool_broken')
  })

  it('outlives threads that are ended while they load', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modules-'))
    try {
      // Many modules, so that the end often comes while they are linked; with `require` in their place it ends the process. Of files a thread
      // that is ended would leave the descriptors behind.
      const modules = Array.from({ length: 3_000 }, (_, index) => `import { x as x${index} } from 'data:text/javascript,export const x = ${index}'`)
      await writeFile(join(folder, 'worker.mjs'), `${modules.join('\n')}\nexport const greet = () => new Promise(() => {})`)
      const worker = pathToFileURL(join(folder, 'worker.mjs'))
      for (let startWithin = 60; startWithin < 300; startWithin += thorough ? 12 : 40) {
        expect((await rejection(start({ worker, startWithin }))).code).to.equal('pool_broken')
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
