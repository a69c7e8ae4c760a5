import { createHook } from 'node:async_hooks'
import { expect } from 'chai'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage, Checked, Origin } from '../../src/actors/chain/ingress.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit, TestProbe } from '../../src/actors/kernel/testing/index.js'
import { Validator, ValidatorError, validator, validatorConfig } from '../../src/actors/validator/index.js'
import type { ValidatorOptions } from '../../src/actors/validator/index.js'
import { InlineOwnCheck } from '../../src/actors/validator/inline-own-check.js'
import { Finding, findingName, fromHex, loadCrypto, toHex } from '../../src/protocol/index.js'
import { FakePool } from './fake-pool.js'
import { until } from '../support/until.js'
import { signing, txListMessage } from './samples.js'

interface House { kit: TestKit; pool: FakePool; chain: TestProbe<ChainMessage>; room: Validator }

async function build(options: ValidatorOptions = {}, threads = 2, load: typeof loadCrypto = () => new Promise(() => undefined)): Promise<House> {
  const kit = testKit()
  const pool = new FakePool(threads)
  const chain = kit.probe<ChainMessage>('chain')
  const config = validatorConfig(options)
  const ref = await kit.spawn(() => validator({ chain: new Chain(chain), openPool: pool.open, inlineOwnCheck: new InlineOwnCheck(config.pool, load) }, config), { name: 'validator' })
  return { kit, pool, chain, room: new Validator(ref) }
}

const own = (ticket: number): Origin => ({ kind: 'own', ticket })
const gossip = (tag: number): Origin => ({ kind: 'gossip', peer: 'alice', messageId: String(tag) })
/** 382 bytes, told apart by one of them. */
const commitment = (tag = 0): Uint8Array => new Uint8Array(382).fill(tag & 0xff, 1, 2)
const txList = (size: number): Uint8Array => txListMessage(new Uint8Array(32), new Uint8Array(size))
const sendAll = (room: Validator, count: number, from = 0): void => {
  for (let tag = from; tag < from + count; tag++) void room.commitment(commitment(tag), gossip(tag))
}
const checked = (chain: TestProbe<ChainMessage>): Checked[] => chain.received.flatMap(message => 'items' in message ? message.items : [])
const findings = (chain: TestProbe<ChainMessage>): string[] => checked(chain).map(({ finding }) => findingName(finding))

describe('validator', () => {
  let house: House
  afterEach(async () => {
    // What a test has left in the fake pool would be waited for.
    house.pool.runs.slice().forEach(run => { run.finish() })
    await house.kit.stop()
  })

  it('is tested without network, thread or real time', async () => {
    const seen = new Set<string>()
    // By then mocha has set its own timer.
    await Promise.resolve()
    const hook = createHook({ init: (_id, type) => { seen.add(type) } }).enable()
    try {
      house = await build()
      const { kit, pool, chain, room } = house
      void room.commitment(commitment(), gossip(1))
      await kit.settle()
      pool.runs[0]!.finish()
      await kit.advance(60_000)
      chain.expect('commitments')
    } finally {
      hook.disable()
    }
    expect([...seen].filter(type => /TCP|UDP|PIPE|WORKER|MESSAGEPORT|GETADDRINFO|FS|Timeout|PROCESS/i.test(type))).to.deep.equal([])
  })

  it('does not let a lone message wait', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    const bytes = commitment(7)
    void room.commitment(bytes, gossip(7))
    await kit.settle()
    expect(pool.runs.map(({ count }) => count)).to.deep.equal([1])
    pool.runs[0]!.finish()
    await kit.settle()
    const { items } = chain.expect('commitments')
    expect(items).to.have.length(1)
    expect(items[0]!.bytes).to.equal(bytes)
    expect(items[0]!.origin).to.deep.equal(gossip(7))
    expect([items[0]!.finding, items[0]!.signer.length, items[0]!.hash.length]).to.deep.equal([Finding.valid, 20, 32])
  })

  it('lets what came together leave together, in its order', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    sendAll(room, 10)
    await kit.settle()
    expect(pool.runs.map(({ tags }) => tags)).to.deep.equal([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]])
    pool.runs[0]!.finish()
    await kit.settle()
    expect(checked(chain).map(({ bytes }) => bytes[1])).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('waits for company while the pool is at work, for lingerMs at most', async () => {
    house = await build({ batch: { lingerMs: 2 } })
    const { kit, pool, room } = house
    sendAll(room, 1)
    await kit.settle()
    sendAll(room, 2, 1)
    await kit.advance(1)
    expect(pool.runs).to.have.length(1)
    sendAll(room, 3, 3)
    await kit.advance(1)
    expect(pool.runs.map(({ count }) => count)).to.deep.equal([1, 5])
  })

  it('leaves before that once the batch is whole, and behind running ones', async () => {
    house = await build({ batch: { full: 8, most: 16 } })
    const { kit, pool, room } = house
    for (let round = 0; round < 6; round++) { sendAll(room, 8, round * 8); await kit.settle() }
    expect(pool.runs.map(({ count }) => count)).to.deep.equal([8, 8, 8, 8])
    expect(new Set(pool.runs.map(({ slot }) => slot.id)).size).to.equal(2)
    pool.runs[0]!.finish()
    await kit.settle()
    expect(pool.runs.at(-1)!.count, 'more in a batch as the queue grows').to.equal(16)
  })

  it('leaves when the pool has become idle', async () => {
    house = await build()
    const { kit, pool, room } = house
    sendAll(room, 1)
    await kit.settle()
    sendAll(room, 3, 1)
    await kit.settle()
    pool.runs[0]!.finish()
    await kit.settle()
    expect(pool.runs.map(({ tags }) => tags)).to.deep.equal([[1, 2, 3]])
  })

  it('finds other lengths than 382 undecodable, without a worker', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    for (const length of [0, 381, 383, 70_000]) void room.commitment(new Uint8Array(length), gossip(length))
    await kit.settle()
    expect(pool.runs).to.have.length(0)
    expect(findings(chain)).to.deep.equal(['undecodable', 'undecodable', 'undecodable', 'undecodable'])
    expect(chain.received, 'together').to.have.length(1)
  })

  it('does not copy a txlist that its header or its size condemns', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    void room.txList(new Uint8Array(35), gossip(1))
    void room.txList(new Uint8Array(2_000), gossip(2))
    void room.txList(txList(2_097_153), gossip(3))
    await kit.settle()
    expect(pool.runs).to.have.length(0)
    expect(findings(chain)).to.deep.equal(['undecodable', 'undecodable', 'oversize'])
    void room.txList(txList(2_097_152), gossip(4))
    await kit.settle()
    expect(pool.runs.map(({ kind, count }) => [kind, count])).to.deep.equal([['txLists', 1]])
  })

  it('never puts txlists and commitments in one batch, nor txlists over 1 MiB', async () => {
    house = await build({}, 4)
    const { kit, pool, chain, room } = house
    for (let index = 0; index < 6; index++) {
      void room.txList(txList(400_000), gossip(index))
      void room.commitment(commitment(index), gossip(index))
    }
    await kit.advance(1)
    expect(pool.runs.map(({ kind, count }) => `${count} ${kind}`)).to.deep.equal(['6 commitments', '2 txLists', '2 txLists', '2 txLists'])
    while (pool.runs.length > 0) { pool.runs[0]!.finish(); await kit.settle() }
    expect(chain.received.map(({ type }) => type)).to.include.members(['commitments', 'txLists'])
    expect(findings(chain)).to.have.length(12)
  })

  it('keeps commitments going while txlists have all the workers they may have', async () => {
    house = await build()
    const { kit, pool, room } = house
    for (let index = 0; index < 20; index++) void room.txList(txList(2_000_000), gossip(index))
    await kit.settle()
    expect(pool.runs.every(({ kind }) => kind === 'txLists')).to.equal(true)
    sendAll(room, 1)
    await kit.settle()
    expect(pool.runs.at(-1)!.kind).to.equal('commitments')
  })

  for (const threads of [1, 2]) {
    it(`starves nobody while everybody floods it, with ${threads} worker${threads === 1 ? '' : 's'}`, async () => {
      house = await build({ batch: { full: 16, most: 16 } }, threads)
      const { kit, pool, room } = house
      const page = new Uint8Array(64 * 382)
      const work = { live: 0, pages: 0, txLists: 0 }
      for (let round = 0; round < 300; round++) {
        sendAll(room, 60)
        if (round % 3 === 0) void room.page(page.fill(255, 0, 382 * 64), 'bob', round, new AbortController().signal)
        void room.txList(txList(300_000), gossip(round))
        await kit.settle()
        const run = pool.runs[0]!
        if (run.kind === 'txLists') work.txLists += run.count * 1_050
        else if (run.tags[0] === 255) work.pages += run.count * 65
        else work.live += run.count * 65
        run.finish()
      }
      const total = work.live + work.pages + work.txLists
      expect(work.live / total, 'live').to.be.above(0.4)
      expect(work.pages / total, 'pages').to.be.above(0.15)
      expect(work.txLists / total, 'txLists').to.be.above(0.07)
    })
  }

  it('judges a page as one, over several batches that come back in any order', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    const page = new Uint8Array(382 * 200)
    for (let index = 0; index < 200; index++) page[index * 382 + 1] = index
    await room.page(page, 'bob', 3, new AbortController().signal)
    await kit.settle()
    expect(pool.runs.map(({ count }) => count)).to.deep.equal([100, 100])
    pool.runs[1]!.finish(Finding.high_s)
    await kit.settle()
    chain.expectNone()
    while (pool.runs.length > 0) { pool.runs.at(-1)!.finish(); await kit.settle() }
    const { peer, ticket, items } = chain.expect('page')
    expect([peer, ticket, items.length]).to.deep.equal(['bob', 3, 200])
    expect(items.map(({ bytes }) => bytes[1])).to.deep.equal(Array.from({ length: 200 }, (_, index) => index))
    expect(items.map(({ finding }) => finding === Finding.high_s)).to.deep.equal(Array.from({ length: 200 }, (_, at) => at >= 100))
    expect(items[5]!.origin).to.deep.equal({ kind: 'sync', peer: 'bob', ticket: 3 })
  })

  it('answers pages that need no check: an empty one, and one that is no whole number of commitments', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    await room.page(new Uint8Array(0), 'bob', 1, new AbortController().signal)
    await room.page(new Uint8Array(383), 'bob', 2, new AbortController().signal)
    await kit.settle()
    expect(chain.expect('page', { ticket: 1 }).items).to.deep.equal([])
    expect(chain.expect('page', { ticket: 2 }).items.map(({ finding, bytes }) => [finding, bytes.length])).to.deep.equal([[Finding.undecodable, 383]])
    expect(pool.runs).to.have.length(0)
  })

  it('answers what its bounds do not allow as overloaded, and counts it by topic', async () => {
    const lanes = { live: { messages: 4 }, pages: { messages: 4 }, txLists: { bytes: 5_000 } }
    house = await build({ lanes })
    const { kit, chain, room } = house
    sendAll(room, 7)
    for (let index = 0; index < 4; index++) void room.txList(txList(2_000), gossip(index))
    await room.page(new Uint8Array(382 * 5), 'bob', 9, new AbortController().signal)
    await kit.settle()
    expect(findings(chain).filter(name => name === 'overloaded')).to.have.length(3 + 2 + 5)
    expect(chain.expect('page').items.every(({ finding }) => finding === Finding.overloaded)).to.equal(true)
    const figures = room.figures(1_000)
    await kit.settle()
    const { findings: counted, waiting } = await figures
    expect([counted.live.overloaded, counted.txLists.overloaded, counted.pages.overloaded]).to.deep.equal([3, 2, 5])
    expect(waiting.live.messages).to.equal(0)
  })

  it('H31: tries a lost batch once more, alone, then splits it until the killer is alone', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    sendAll(room, 40)
    await kit.settle()
    const sizes: number[] = []
    for (let run = pool.runs[0]; run !== undefined; run = pool.runs[0]) {
      sizes.push(run.count)
      if (run.tags.includes(23)) run.die()
      else run.finish()
      await kit.settle()
    }
    expect(sizes.slice(0, 2)).to.deep.equal([40, 40])
    const died = checked(chain).filter(({ finding }) => finding === Finding.worker_died)
    expect(died.map(({ bytes }) => bytes[1])).to.deep.equal([23])
    expect(findings(chain).filter(name => name === 'valid')).to.have.length(39)
    const asked = room.figures(1_000)
    await kit.settle()
    const { killers, deaths, retried } = await asked
    expect([killers, deaths]).to.deep.equal([1, 4])
    expect(retried).to.be.above(1)
  })

  it('H31: does not blame who only stood behind the killer', async () => {
    house = await build({ batch: { full: 1, most: 1 } }, 1)
    const { kit, pool, chain, room } = house
    sendAll(room, 2)
    await kit.settle()
    expect(pool.runs.map(({ tags }) => tags)).to.deep.equal([[0], [1]])
    for (let run = pool.runs[0]; run !== undefined; run = pool.runs[0]) {
      if (run.tags.includes(0)) run.die()
      else run.finish()
      await kit.settle()
      expect(pool.runs.length, 'a suspect is alone').to.be.at.most(1)
    }
    expect(checked(chain).map(({ bytes, finding }) => [bytes[1], findingName(finding)])).to.have.deep.members([[0, 'worker_died'], [1, 'valid']])
  })

  it('answers unjudged, without blame, where a batch fails for a reason of our own', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    sendAll(room, 3)
    await kit.settle()
    pool.runs[0]!.fail(new ValidatorError('bad_batch', 'a mistake of ours'))
    await kit.settle()
    expect(findings(chain)).to.deep.equal(['unjudged', 'unjudged', 'unjudged'])
  })

  it('checks at stop what is queued, as long as that takes no longer than drainMs', async () => {
    house = await build({ batch: { full: 4, most: 4 }, drainMs: 500 }, 1)
    const { kit, pool, chain, room } = house
    sendAll(room, 20)
    await kit.settle()
    const stopped = kit.tree.remove('validator')
    await kit.settle()
    for (let round = 0; round < 3; round++) { pool.runs[0]!.finish(); await kit.settle() }
    kit.clock.advance(500)
    await stopped
    expect(findings(chain).filter(name => name === 'valid')).to.have.length(12)
    expect(findings(chain).filter(name => name === 'unjudged')).to.have.length(8)
    expect(pool.closed).to.equal(true)
  })

  it('starts again with new threads when the old ones cannot be replaced, and answers what it held', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    sendAll(room, 5)
    await kit.settle()
    pool.breaks(new ValidatorError('pool_broken', 'no thread starts'))
    await kit.advance(5_000)
    expect(findings(chain)).to.deep.equal(['unjudged', 'unjudged', 'unjudged', 'unjudged', 'unjudged'])
    expect(pool.closed).to.equal(true)
    pool.runs[0]!.finish()
    sendAll(room, 1, 50)
    await kit.settle()
    expect(pool.runs.some(({ tags }) => tags.includes(50)) || findings(chain).length > 5).to.equal(true)
  })

  it('counts what chain does not take', async () => {
    house = await build()
    const { kit, pool, chain, room } = house
    chain.feedback = 'rejected'
    sendAll(room, 5)
    await kit.settle()
    pool.runs[0]!.finish()
    await kit.settle()
    const asked = room.figures(1_000)
    await kit.settle()
    expect((await asked).undelivered).to.equal(5)
  })

  describe('a commitment of our own', () => {
    const { ssz, address } = signing.valid[0]!
    const bytes = fromHex(ssz)
    const start = async (load: typeof loadCrypto = loadCrypto): Promise<void> => {
      let loading: ReturnType<typeof loadCrypto> | undefined
      house = await build({}, 2, choice => loading = load(choice))
      void house.room.commitment(bytes, own(0))
      await house.kit.settle()
      // the first is there to have the libraries loaded
      house.pool.runs[0]!.finish()
      await (await until(() => loading === undefined ? undefined : { over: loading.catch(() => undefined) }, 'the libraries are loaded')).over
      await house.kit.settle()
    }

    it('that comes alone is judged in this thread, as the threads would', async () => {
      await start()
      const { kit, pool, chain, room } = house
      kit.clock.advance(10)
      void room.commitment(bytes, own(1))
      await kit.settle()
      const { finding, signer, origin } = checked(chain).at(-1)!
      expect([findingName(finding), toHex(signer), origin, pool.runs.length]).to.deep.equal(['valid', address, own(1), 0])
      kit.clock.advance(10)
      const damaged = Uint8Array.from(bytes)
      damaged[381] = 9
      void room.commitment(damaged, own(2))
      await kit.settle()
      expect(findings(chain).at(-1)).to.not.equal('valid')
    })

    it('that follows another within 2 ms, that is behind others, or that others brought goes to the threads', async () => {
      await start()
      const { kit, pool, room, chain } = house
      kit.clock.advance(10)
      void room.commitment(bytes, own(1))
      void room.commitment(bytes, own(2))
      await kit.settle()
      expect(pool.runs.map(({ count }) => count)).to.deep.equal([1])
      kit.clock.advance(10)
      void room.commitment(bytes, own(3))
      await kit.settle()
      expect(checked(chain).map(({ origin }) => origin), 'none overtakes another').to.deep.equal([own(0), own(1)])
      while (pool.runs.length > 0) { pool.runs[0]!.finish(); await kit.settle() }
      expect(checked(chain).map(({ origin }) => origin)).to.deep.equal([own(0), own(1), own(2), own(3)])
      kit.clock.advance(10)
      void room.commitment(bytes, gossip(1))
      await kit.settle()
      expect(pool.runs).to.have.length(1)
    })

    it('goes to the threads where the libraries do not load', async () => {
      await start(() => Promise.reject(new Error('not here')))
      const { kit, pool, room } = house
      kit.clock.advance(10)
      void room.commitment(bytes, own(1))
      await kit.settle()
      expect(pool.runs).to.have.length(1)
    })
  })
})
