import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { WINDOW, build, chainOf } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }

describe('chain: what the store has not acknowledged (docs/architecture.md)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())

  it('head, stored and durable follow the acknowledgement', async () => {
    await open()
    h.store.automatic = false
    const blocks = chainOf(100, 102)
    expect(await h.page(blocks)).to.deep.equal(['accept accepted', 'accept accepted', 'accept accepted'])
    h.events.expectNone('stored')
    h.events.expectNone('head')
    h.judged.expectNone('durable')
    expect(await h.standing()).to.deep.include({ unstored: 3, next: 103n, head: { blockNumber: 0n, submissionWindowEnd: 0n }, headHash: undefined })
    void h.chain.serveHead(1)
    await h.kit.settle()
    expect(h.answers.expect('answer', { request: 1 }).body).to.deep.equal(new Uint8Array(64))
    await h.store.acknowledge()
    expect(await h.standing()).to.deep.include({ unstored: 0, head: { blockNumber: 102n, submissionWindowEnd: WINDOW } })
    h.events.expect('stored', { hash: blocks[2]!.hash })
    h.events.expect('head', { hash: blocks[2]!.hash })
    h.judged.expect('durable')
  })

  it('is sent again when the store has started again, in order, each naming the one before it', async () => {
    await open()
    h.store.automatic = false
    const before = h.store.writes.at(-1)?.sequence ?? 0
    for (const block of chainOf(100, 103)) await h.gossip(block)
    const first = h.store.writes.splice(0).filter(({ sequence }) => sequence > before)
    h.store.lose()
    void h.chain.storeReady()
    await h.kit.settle()
    const again = h.store.writes
    expect(again.map(({ batch }) => batch)).to.deep.equal(first.map(({ batch }) => batch))
    expect(again.map(({ after }) => after)).to.deep.equal([undefined, ...again.slice(0, -1).map(({ sequence }) => sequence)])
    await h.store.acknowledge()
    expect((await h.standing()).head.blockNumber).to.equal(103n)
  })

  it('when it is full it judges and forwards, and adopts, emits and serves nothing; what was passed over can come again', async () => {
    await open()
    h.store.automatic = false
    const blocks = chainOf(100, 4_300)
    for (let at = 0; at < 4_096; at += 256) await h.page(blocks.slice(at, at + 256))
    expect((await h.standing()).unstored).to.equal(4_096)
    const events = h.events.received.length
    expect(await h.gossip(blocks[4_096]!)).to.equal('accept')
    expect(await h.gossip(build({ number: 4_196, signer: new Uint8Array(20) }))).to.equal('ignore')
    expect(await h.page(blocks.slice(4_096, 4_098))).to.deep.equal(['ignore store_behind', 'ignore store_behind'])
    expect(await h.own(blocks[4_096]!)).to.include({ verdict: 'ignore', reason: 'store_behind' })
    expect(h.events.received.slice(events).filter(({ type }) => type !== 'rejected')).to.deep.equal([])
    expect(await h.standing()).to.deep.include({ unstored: 4_096, next: 4_196n })
    await h.store.acknowledge()
    await h.kit.settle()
    h.store.automatic = true
    expect(await h.page(blocks.slice(4_096))).to.deep.equal(new Array(blocks.length - 4_096).fill('accept accepted'))
    expect((await h.canonical()).slice(-2)).to.deep.equal(shown(blocks).slice(4_094, 4_096))
    expect((await h.standing()).head.blockNumber).to.equal(4_300n)
  })

  it('64 MiB of it count too, and unnamed txlists leave half of that to the rest', async () => {
    await open()
    h.store.automatic = false
    const verdicts = []
    for (let seed = 0; seed < 20; seed++) verdicts.push(await h.gossipTxList(new Uint8Array(2 * 1_048_576).fill(seed), { peer: `peer-${seed}` }))
    expect(verdicts.filter(verdict => verdict === 'accept').length).to.be.within(15, 16)
    expect(h.reason()).to.equal('store_behind')
    expect(await h.gossip(build({ number: 100 }))).to.equal('accept')
    expect((await h.standing()).next).to.equal(101n)
  })

  for (const set of [0, -3_600, 3_600]) {
    it(`H59 what acknowledges a write of an earlier incarnation says nothing of those of this one (clock set by ${set} s)`, async () => {
      await open()
      const blocks = chainOf(100, 103)
      for (const block of blocks.slice(0, 2)) await h.gossip(block)
      h.store.automatic = false
      await h.gossip(blocks[2]!)
      const former = h.store.writes.map(({ sequence }) => sequence)
      h.store.lose()
      h.kit.clock.jump(seconds(set))
      void h.chain.commitments(undefined as never)
      await h.kit.advance(seconds(10))
      expect((await h.standing()).head.blockNumber).to.equal(101n)
      const own = blocks[2]!
      expect(await h.own(own)).to.include({ verdict: 'accept' })
      for (const sequence of former) void h.chain.durable(sequence)
      await h.kit.settle()
      expect((await h.standing()).unstored).to.equal(1)
      h.ownJudged.expectNone('durable')
      expect(await h.store.database.ownSigned(own.signer, own.window)).to.satisfy((records: readonly { readonly hash: Uint8Array }[]) => records.every(({ hash }) => Buffer.compare(hash, own.hash) !== 0))
      await h.store.acknowledge()
      expect((await h.standing()).head.blockNumber).to.equal(102n)
      h.ownJudged.expect('durable')
    })
  }
})
