import { expect } from 'chai'
import { silentLogger, systemClock } from '../../src/actors/kernel/index.js'
import { PrewarmedPool, ValidatorError, validatorConfig } from '../../src/actors/validator/index.js'
import type { OpenPool, PoolEvents } from '../../src/actors/validator/index.js'
import { FakePool } from './fake-pool.js'

const needs = { clock: systemClock, log: silentLogger }
const { pool: config } = validatorConfig()

/** Hands out a new pool for every call, with the events that it was given. */
function opener() {
  const opened: Array<{ readonly pool: FakePool; readonly events: PoolEvents }> = []
  const open: OpenPool = async (_needs, _config, events) => {
    const pool = new FakePool()
    opened.push({ pool, events })
    return Promise.resolve(pool)
  }
  return { opened, open }
}

function listener() {
  const heard: string[] = []
  return { heard, ready: () => { heard.push('ready') }, broken: (error: ValidatorError) => { heard.push(error.code) } }
}

const broken = new ValidatorError('pool_broken', 'no more threads', undefined)

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => { throw new Error('it did not reject') }, (error: unknown) => error)
}

describe('validator: threads that begin before their owner', () => {
  it('gives the pool that was begun to the first who opens, and another to the next', async () => {
    const { opened, open } = opener()
    const early = new PrewarmedPool(open)
    early.begin(needs, config)
    expect(opened).to.have.length(1)
    const first = await early.open(needs, config, listener())
    expect(first).to.equal(opened[0]!.pool)
    const second = await early.open(needs, config, listener())
    expect(second).to.equal(opened[1]!.pool)
    await early.close()
    expect(opened.map(({ pool }) => pool.closed)).to.deep.equal([false, false])
  })

  it('opens a pool of its own where none was begun', async () => {
    const { opened, open } = opener()
    expect(await new PrewarmedPool(open).open(needs, config, listener())).to.equal(opened[0]!.pool)
  })

  it('tells its owner what happens to the pool from then on', async () => {
    const { opened, open } = opener()
    const early = new PrewarmedPool(open)
    early.begin(needs, config)
    const owner = listener()
    await early.open(needs, config, owner)
    opened[0]!.events.ready()
    opened[0]!.events.broken(broken)
    expect(owner.heard).to.deep.equal(['ready', 'pool_broken'])
  })

  it('fails at open, and not before, with what the threads failed with', async () => {
    const early = new PrewarmedPool(async () => Promise.reject(broken))
    early.begin(needs, config)
    await new Promise(resolve => { setImmediate(resolve) })
    expect(await failure(early.open(needs, config, listener()))).to.equal(broken)
  })

  it('fails at open, with its threads ended, where the pool broke before it had an owner', async () => {
    const { opened, open } = opener()
    const early = new PrewarmedPool(open)
    early.begin(needs, config)
    opened[0]!.events.broken(broken)
    expect(await failure(early.open(needs, config, listener()))).to.equal(broken)
    expect(opened[0]!.pool.closed).to.equal(true)
  })

  it('ends the threads that nobody took', async () => {
    const { opened, open } = opener()
    const early = new PrewarmedPool(open)
    early.begin(needs, config)
    await early.close()
    await early.close()
    expect(opened[0]!.pool.closed).to.equal(true)
    const failed = new PrewarmedPool(async () => Promise.reject(broken))
    failed.begin(needs, config)
    await failed.close()
  })
})
