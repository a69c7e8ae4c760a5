import { expect } from 'chai'
import { storeOver } from '../../src/actors/store/actor.js'
import { StoreError } from '../../src/actors/store/errors.js'
import { Store } from '../../src/actors/store/ingress.js'
import type { StoreEvent } from '../../src/actors/store/ingress.js'
import { memoryDatabase } from '../../src/actors/store/memory.js'
import type { ChainMessage } from '../../src/actors/chain/ingress.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { commitment } from './fixtures.js'

interface Answer { readonly type: 'answer'; readonly request: number; readonly body: Uint8Array }

/** A store over a database in memory whose writes and reads can be made to fail. */
async function rig() {
  const kit = testKit()
  const chain = kit.probe<ChainMessage>('chain')
  const answers = kit.probe<Answer>('answers')
  const events = kit.probe<StoreEvent>('events')
  const faults = { commit: undefined as StoreError | undefined, read: undefined as StoreError | undefined, commits: 0 }
  const inner = memoryDatabase()
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
        return (member as (...args: readonly unknown[]) => unknown).apply(target, args as unknown[])
      }
    },
  })
  const ref = await kit.spawn(storeOver(() => database, { chain, answers, events }))
  return { ...kit, chain, answers, events, faults, store: new Store(ref), ref }
}

/** Chain's part: it keeps what is not acknowledged, and sends it again when it is asked. */
function sender({ chain, store, settle }: Pick<Awaited<ReturnType<typeof rig>>, 'chain' | 'store' | 'settle'>) {
  const kept = new Map<number, object>()
  let asked = 0
  return {
    write(sequence: number, batch: object) {
      const before = [...kept.keys()].at(-1)
      kept.set(sequence, batch)
      void store.write(sequence, before, batch)
    },
    /** Takes what the store has said. */
    async hears() {
      await settle()
      for (const done of durable(chain.received)) for (const sequence of kept.keys()) if (sequence <= done) kept.delete(sequence)
      const requests = chain.received.filter(({ type }) => type === 'storeReady').length
      if (requests === asked) return
      asked = requests
      let after: number | undefined
      for (const [sequence, batch] of kept) { void store.write(sequence, after, batch); after = sequence }
      await settle()
    },
  }
}

const write = (height: bigint) => ({ commitments: [commitment({ height })] })
const durable = (received: readonly ChainMessage[]) => received.flatMap(message => message.type === 'durable' ? [message.sequence] : [])

describe('the store actor', () => {
  it('says that it is there, and refuses a write whose predecessor it lacks until chain has sent that again', async () => {
    const { chain, store, settle, advance, stop } = await rig()
    await settle()
    chain.expect('storeReady')
    void store.write(7, 6, write(7n)) // from before the restart: what was before it is lost
    void store.write(8, 7, write(8n))
    await settle()
    expect(durable(chain.received)).to.deep.equal([])
    expect((await answered(store.standing(1_000), settle)).stats.commitments).to.equal(0)
    await advance(300)
    chain.expect('storeReady')
    void store.write(6, undefined, write(6n))
    void store.write(7, 6, write(7n))
    void store.write(8, 7, write(8n))
    await settle()
    expect(durable(chain.received)).to.deep.equal([6, 7, 8])
    await stop()
  })

  it('a write that was lost on its way is noticed, and asked for', async () => {
    const { chain, store, settle, advance, stop } = await rig()
    await settle()
    chain.expect('storeReady')
    void store.write(1, undefined, write(1n))
    void store.write(3, 2, write(3n))
    await settle()
    expect(durable(chain.received)).to.deep.equal([1])
    await advance(300)
    chain.expect('storeReady')
    chain.expectNone('storeReady')
    await stop()
  })

  it('H33: acknowledges nothing while the disk is full, says so once, and stores everything once there is room', async () => {
    const all = await rig()
    const { chain, store, settle, advance, faults, events, stop } = all
    const from = sender(all)
    faults.commit = new StoreError('disk_full', 'no space left')
    for (let sequence = 1; sequence <= 20; sequence++) from.write(sequence, write(BigInt(sequence)))
    for (let pause = 0; pause < 8; pause++) { await from.hears(); await advance(4_000) }
    expect(durable(chain.received)).to.deep.equal([])
    events.expect('storeFailing', { code: 'disk_full' })
    events.expectNone('storeFailing')
    expect((await answered(store.standing(1_000), settle)).failing?.code).to.equal('disk_full')
    expect(faults.commits, 'tries, with growing pauses').to.be.lessThan(20 * 12)

    faults.commit = undefined
    await advance(11_000)
    await from.hears()
    expect(durable(chain.received).at(-1)).to.equal(20)
    events.expect('storeRecovered')
    expect((await answered(store.standing(1_000), settle)).stats.commitments).to.equal(20)
    await stop()
  })

  it('H33: answers how it is while its database does not', async () => {
    const { store, settle, faults, stop } = await rig()
    void store.write(1, undefined, write(1n))
    await settle()
    expect(await answered(store.standing(1_000), settle)).to.deep.include({ readable: true, failing: undefined })
    faults.read = new StoreError('io', 'nothing comes back')
    const standing = await answered(store.standing(1_000), settle)
    expect(standing).to.deep.include({ readable: false, failing: { code: 'io', message: 'nothing comes back' } })
    expect(standing.stats.commitments, 'as of the last time').to.equal(1)
    await stop()
  })

  it('serves what it has, and an echoed hash with an empty list for a txlist that it has not', async () => {
    const { store, answers, settle, stop } = await rig()
    void store.write(1, undefined, write(5n))
    await settle()
    void store.serveCommitments(1, 5n, 256, false)
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
    for (let sequence = 1; sequence <= 40; sequence++) void store.write(sequence, sequence === 1 ? undefined : sequence - 1, write(BigInt(sequence)))
    const restored = await answered(store.restore(10, 10, 1_000), settle)
    expect([...restored.tail].map(({ blockNumber }) => blockNumber)).to.deep.equal([31n, 32n, 33n, 34n, 35n, 36n, 37n, 38n, 39n, 40n])
    await stop()
  })

  it('what is queued counts as signed; while it cannot be stored nobody learns what we signed', async () => {
    const all = await rig()
    const { store, settle, faults, advance, stop } = all
    const from = sender(all)
    const puts = Array.from({ length: 40 }, (_, at) => commitment({ height: BigInt(at + 1) }))
    for (const [at, put] of puts.entries()) from.write(at + 1, { commitments: [put], signed: [put] })
    const { signer } = puts[0]!
    expect((await answered(store.signedWindow(signer, 1_000n, 1_000), settle)).records).to.have.length(40)
    await from.hears()

    faults.commit = new StoreError('disk_full', 'no space left')
    const more = commitment({ height: 41n })
    from.write(41, { signed: [more] })
    const refused = store.signedWindow(signer, 1_000n, 60_000).then(() => undefined, (error: unknown) => error)
    await settle()
    expect(await refused).to.include({ code: 'disk_full' })
    faults.commit = undefined
    await advance(11_000)
    await from.hears()
    expect((await answered(store.signedWindow(signer, 1_000n, 1_000), settle)).records).to.have.length(41)
    await stop()
  })
})

async function answered<T>(asking: Promise<T>, settle: () => Promise<void>): Promise<T> {
  await settle()
  return asking
}
