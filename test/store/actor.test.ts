import { expect } from 'chai'
import { store } from '../../src/actors/store/actor.js'
import type { StoreEvent } from '../../src/actors/store/actor.js'
import { StoreError } from '../../src/actors/store/errors.js'
import { Store } from '../../src/actors/store/ingress.js'
import { memoryDatabase } from '../../src/actors/store/memory.js'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage } from '../../src/actors/chain/ingress.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { WriteQueue } from '../../src/actors/store/write-queue.js'
import { commitment } from './fixtures.js'

interface Answer { readonly type: 'answer'; readonly request: number; readonly body: Uint8Array }

/** A store over a database in memory whose `commit` and `open` can be made to fail. */
async function rig() {
  const kit = testKit()
  const chain = kit.probe<ChainMessage>('chain')
  const answers = kit.probe<Answer>('answers')
  const events = kit.probe<StoreEvent>('events')
  const faults = {
    commit: undefined as StoreError | undefined, open: undefined as StoreError | undefined, read: undefined as StoreError | undefined,
    opened: 0, commits: 0,
  }
  const inner = memoryDatabase()
  const reopened = { loss: undefined, discarded: [], unknownFiles: [], droppedBytes: 0 }
  const database = new Proxy(inner, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...args: readonly unknown[]) => {
        if (name === 'commit') {
          faults.commits++
          if (faults.commit !== undefined) throw faults.commit
        }
        if (name === 'stats' && faults.read !== undefined) throw faults.read
        if (name === 'open' && faults.opened++ > 0) {
          if (faults.open !== undefined) throw faults.open
          return reopened
        }
        return (member as (...args: readonly unknown[]) => unknown).apply(target, args as unknown[])
      }
    },
  })
  let die: (error: StoreError) => void = () => undefined
  const make = (died: (error: StoreError) => void) => { die = died; return database }
  const ref = await kit.spawn(store({ chain: new Chain(chain), answers, events, database: make }))
  return { ...kit, chain, answers, events, faults, store: new Store(ref), ref, die: (error: StoreError) => { die(error) } }
}

const write = (height: bigint) => ({ commitments: [commitment({ height })] })
const durable = (received: readonly ChainMessage[]) => received.flatMap(message => message.type === 'durable' ? [message.sequence] : [])

describe('the store actor', () => {
  it('tells chain that it is there, and takes writes only once chain has answered with `resume`', async () => {
    const { chain, store, settle, faults, stop } = await rig()
    await settle()
    chain.expect('storeReady')
    void store.write(7, write(7n)) // from before the restart: what was before it is lost
    await settle()
    expect(faults.commits).to.equal(0)
    void store.resume()
    void store.write(6, write(6n))
    void store.write(7, write(7n))
    await settle()
    expect(durable(chain.received)).to.deep.equal([6, 7])
    await stop()
  })

  it('H33: acknowledges nothing while the disk is full, says so, and stores everything once there is room', async () => {
    const { chain, store, settle, advance, faults, events, stop } = await rig()
    void store.resume()
    faults.commit = new StoreError('disk_full', 'no space left')
    for (let sequence = 1; sequence <= 20; sequence++) void store.write(sequence, write(BigInt(sequence)))
    await settle()
    await advance(30_000)
    expect(durable(chain.received)).to.deep.equal([])
    events.expect('storeFailing', { code: 'disk_full' })
    events.expectNone('storeFailing')
    expect((await answered(store.standing(1_000), settle)).failing?.code).to.equal('disk_full')

    faults.commit = undefined
    await advance(11_000)
    expect(durable(chain.received).at(-1)).to.equal(20)
    events.expect('storeRecovered')
    expect((await answered(store.standing(1_000), settle)).stats.commitments).to.equal(20)
    await stop()
  })

  it('H33: opens the database again when its thread has died, and loses no write', async () => {
    const { chain, store, settle, advance, faults, stop } = await rig()
    void store.resume()
    faults.commit = new StoreError('thread_died', 'the thread ended')
    void store.write(1, write(1n))
    await settle()
    faults.open = new StoreError('io', 'not yet')
    await advance(500)
    expect(faults.opened).to.be.greaterThan(1)
    expect(durable(chain.received)).to.deep.equal([])
    faults.open = undefined
    faults.commit = undefined
    await advance(30_000)
    expect(durable(chain.received)).to.deep.equal([1])
    await stop()
  })

  it('H33: goes on trying to open the database, whatever that fails with, and says meanwhile why it cannot store', async () => {
    const { store, settle, advance, faults, events, chain, stop } = await rig()
    void store.resume()
    faults.commit = new StoreError('thread_died', 'the thread ended')
    void store.write(1, write(1n))
    await settle()
    faults.open = faults.commit = new StoreError('damaged', 'no CURRENT')
    await advance(20_000)
    expect(faults.opened).to.be.greaterThan(4)
    events.expect('storeFailing', { code: 'thread_died' })
    events.expect('storeFailing', { code: 'damaged' })
    expect((await answered(store.standing(1_000), settle)).failing?.code).to.equal('damaged')
    faults.open = faults.commit = undefined
    await advance(11_000)
    expect(durable(chain.received)).to.deep.equal([1])
    events.expect('storeRecovered')
    await stop()
  })

  it('H33: a thread that dies while nothing is written is replaced at once', async () => {
    const { store, settle, advance, faults, events, die, stop } = await rig()
    void store.resume()
    await settle()
    die(new StoreError('thread_died', 'the thread ended'))
    await settle()
    events.expect('storeFailing', { code: 'thread_died' })
    await advance(300)
    expect(faults.opened).to.equal(2)
    events.expect('storeRecovered')
    expect((await answered(store.standing(1_000), settle)).failing).to.equal(undefined)
    die(new StoreError('thread_died', 'again'))
    await advance(300)
    expect(faults.opened).to.equal(3)
    await stop()
  })

  it('H33: answers how it is while its database does not', async () => {
    const { store, settle, faults, stop } = await rig()
    void store.resume()
    void store.write(1, write(1n))
    await settle()
    expect(await answered(store.standing(1_000), settle)).to.deep.include({ readable: true, failing: undefined })
    faults.read = new StoreError('thread_died', 'the thread ended')
    const standing = await answered(store.standing(1_000), settle)
    expect(standing).to.deep.include({ readable: false, failing: { code: 'thread_died', message: 'the thread ended' } })
    expect(standing.stats.commitments, 'as of the last time').to.equal(1)
    await stop()
  })

  it('serves what it has, and an echoed hash with an empty list for a txlist that it has not', async () => {
    const { store, answers, settle, stop } = await rig()
    void store.resume()
    void store.write(1, write(5n))
    await settle()
    void store.serveCommitments(1, 5n, 256)
    void store.serveTxList(2, new Uint8Array(32).fill(9))
    await settle()
    const page = answers.expect('answer', { request: 1 })
    expect(page.body).to.have.length(4 + 382)
    const txList = answers.expect('answer', { request: 2 })
    expect(txList.body).to.deep.equal(new Uint8Array([...new Uint8Array(32).fill(9), 36, 0, 0, 0]))
    await stop()
  })

  it('restores only when the writes before it are stored', async () => {
    const { store, settle, stop } = await rig()
    void store.resume()
    for (let sequence = 1; sequence <= 40; sequence++) void store.write(sequence, write(BigInt(sequence)))
    const restored = await answered(store.restore(10, 10, 1_000), settle)
    expect([...restored.tail].map(({ blockNumber }) => blockNumber)).to.deep.equal([31n, 32n, 33n, 34n, 35n, 36n, 37n, 38n, 39n, 40n])
    await stop()
  })

  it('what is queued counts as signed; while it cannot be stored nobody learns what we signed', async () => {
    const { store, settle, faults, advance, stop } = await rig()
    const puts = Array.from({ length: 40 }, (_, at) => commitment({ height: BigInt(at + 1) }))
    void store.resume()
    for (const [at, put] of puts.entries()) void store.write(at + 1, { commitments: [put], signed: [put] })
    const { signer } = puts[0]!
    expect((await answered(store.signedWindow(signer, 1_000n, 1_000), settle)).records).to.have.length(40)

    faults.commit = new StoreError('disk_full', 'no space left')
    const more = commitment({ height: 41n })
    void store.write(41, { signed: [more] })
    const refused = store.signedWindow(signer, 1_000n, 60_000).then(() => undefined, (error: unknown) => error)
    await settle()
    await advance(300)
    expect(await refused).to.include({ code: 'disk_full' })
    faults.commit = undefined
    await advance(11_000)
    expect((await answered(store.signedWindow(signer, 1_000n, 1_000), settle)).records).to.have.length(41)
    await stop()
  })
})

describe('WriteQueue', () => {
  it('acknowledges in order though later batches are durable first', () => {
    const queue = new WriteQueue()
    for (const sequence of [1, 2, 3]) queue.push(sequence, {})
    for (const sequence of [1, 2, 3]) expect(queue.take()?.sequence).to.equal(sequence)
    expect(queue.durable(2)).to.equal(undefined)
    expect(queue.durable(1)).to.equal(2)
    expect(queue.durable(3)).to.equal(3)
    expect(queue.length).to.equal(0)
  })

  it('commits everything from the first that failed on again, in order', () => {
    const queue = new WriteQueue()
    for (const sequence of [1, 2, 3]) queue.push(sequence, {})
    for (let at = 0; at < 3; at++) queue.take()
    queue.failed()
    expect(queue.durable(2)).to.equal(undefined)
    expect(queue.durable(3)).to.equal(undefined)
    expect(queue.idle).to.equal(true)
    queue.takeAgain()
    expect([queue.take()?.sequence, queue.take()?.sequence, queue.take()?.sequence]).to.deep.equal([1, 2, 3])
  })
})

async function answered<T>(asking: Promise<T>, settle: () => Promise<void>): Promise<T> {
  await settle()
  return asking
}
