import { expect } from 'chai'
import { BOB, WINDOW, build, chainOf } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const LATER = WINDOW + 384n

describe('chain: our own messages, and slashing protection (SPEC §7)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())
  const reserve = async (block: Built, length = 317): Promise<unknown> => {
    const done = h.chain.reserve({ signer: block.signer, hash: block.hash, ssz: block.ssz.subarray(0, length) }, 1_000).then(() => 'recorded', (error: unknown) => error)
    await h.kit.settle()
    return done
  }
  const rewind = async (to: bigint): Promise<void> => { const done = h.chain.rewind(to, 1_000); await h.kit.settle(); await done }

  it('H24 published = validated, stored, served: judged, then durable', async () => {
    await open()
    h.store.automatic = false
    const blocks = chainOf(100, 101)
    expect(await h.own(blocks[0]!)).to.include({ verdict: 'accept', reason: 'accepted' })
    h.ownJudged.expectNone('durable')
    await h.store.acknowledge()
    await h.kit.settle()
    h.ownJudged.expect('durable')
    h.events.expect('stored', { kind: 'commitment', hash: blocks[0]!.hash })
    expect(await h.canonical()).to.deep.equal(shown(blocks.slice(0, 1)))
    h.verdicts.expectNone()
    h.outcomes.expectNone()
  })

  it('H24 the same rules: what is not ours to sign is refused to the publisher', async () => {
    await open()
    expect(await h.own(build({ number: 100, signer: BOB }))).to.include({ verdict: 'ignore', reason: 'not_elected' })
  })

  it('the same again is no error: it is there, and may be sent again', async () => {
    await open()
    const block = build({ number: 100 })
    await h.own(block)
    expect(await h.own(block)).to.include({ verdict: 'accept', reason: 'duplicate' })
    expect(h.ownJudged.received.filter(({ type }) => type === 'durable').length).to.equal(2)
  })

  it('it is recorded as signed before the publisher hears of it', async () => {
    await open()
    const block = build({ number: 100 })
    await h.own(block)
    expect((await h.store.ownSigned(block.signer, WINDOW)).map(({ hash }) => hash)).to.deep.equal([block.hash])
  })

  it('in a window that is known it is recorded in the write that stores it: both or neither', async () => {
    await open()
    const blocks = chainOf(100, 102)
    await h.own(blocks[0]!)
    const before = h.store.writes.length
    await h.own(blocks[1]!)
    expect(h.store.writes.slice(before).map(({ batch: { signed, commitments } }) => [signed?.map(({ hash }) => hash), commitments?.map(({ hash }) => hash)]))
      .to.deep.equal([[[blocks[1]!.hash], [blocks[1]!.hash]]])
    expect((await h.store.ownSigned(blocks[1]!.signer, WINDOW)).map(({ hash }) => hash)).to.deep.equal(blocks.slice(0, 2).map(({ hash }) => hash))
  })

  it('what its turn records does not hold on to the batch in which it was checked', async () => {
    await open()
    const blocks = chainOf(100, 101)
    for (const block of blocks) await h.own(block)
    const [{ ssz, hash, signer }] = h.store.writes.at(-1)!.batch.signed as [Built]
    for (const [kept, checked] of [[ssz, blocks[1]!.ssz], [hash, blocks[1]!.hash], [signer, blocks[1]!.signer]] as const) {
      expect(kept).to.deep.equal(checked)
      expect(kept.buffer === checked.buffer).to.equal(false)
    }
  })

  it('what its turn records counts before it is stored', async () => {
    await open()
    const blocks = chainOf(100, 101)
    await h.own(blocks[0]!)
    h.store.automatic = false
    await h.own(blocks[1]!)
    expect(await h.own(build({ number: 101, parent: blocks[0]!, salt: 1 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
    expect(await reserve(build({ number: 101, parent: blocks[0]!, salt: 1 }))).to.include({ code: 'conflicting_commitment' })
  })

  it('a conflicting commitment for the same window and height is refused, without evidence against ourselves', async () => {
    await open()
    await h.own(build({ number: 100 }))
    expect(await h.own(build({ number: 100, salt: 1 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
    h.events.expectNone('equivocation')
    expect(await h.store.database.evidence(0, 9)).to.deep.equal([])
  })

  it('also across a restart and a rewind', async () => {
    await open()
    const blocks = chainOf(100, 102)
    for (const block of blocks) await h.own(block)
    await rewind(100n)
    h = await h.restart()
    expect(await h.own(build({ number: 101, parent: blocks[0]!, salt: 1 }))).to.include({ verdict: 'ignore', reason: 'conflicting_commitment' })
    expect(await h.own(build({ number: 101, parent: blocks[0]!, window: LATER, salt: 1 }))).to.include({ verdict: 'accept' })
  })

  it('after our own EOP nothing more in this window, also across a restart and a rewind', async () => {
    await open()
    const [block] = chainOf(100, 100)
    const end = build({ number: 101, parent: block!, bare: true })
    await h.own(block!)
    await h.own(end)
    expect(await h.own(build({ number: 101, parent: end }))).to.include({ verdict: 'ignore', reason: 'after_own_eop' })
    await rewind(99n)
    h = await h.restart()
    expect(await h.own(build({ number: 102, parent: new Uint8Array(32).fill(3) }))).to.include({ verdict: 'ignore', reason: 'after_own_eop' })
    expect(await h.own(build({ number: 100, eop: true, salt: 4 }))).to.include({ reason: 'conflicting_commitment' })
  })

  it('before signing: reserve records, and refuses with a typed error', async () => {
    await open()
    const [first, second] = chainOf(100, 101)
    expect(await reserve(first!)).to.equal('recorded')
    expect(await reserve(first!)).to.equal('recorded')
    expect(await reserve(build({ number: 100, salt: 1 }))).to.include({ name: 'ChainError', code: 'conflicting_commitment', value: 100n })
    expect(await reserve(build({ number: 102, parent: second!, eop: true }), 382)).to.equal('recorded')
    expect(await reserve(build({ number: 103 }))).to.include({ code: 'after_own_eop', value: 103n, limit: 103n })
    expect(await reserve(build({ number: 90, bare: true }))).to.include({ code: 'eop_below_own_block' })
    expect(await reserve(second!)).to.equal('recorded')
    expect(await h.own(first!)).to.include({ verdict: 'accept' })
  })

  it('two that conflict and are under way at once: one of them is refused', async () => {
    await open()
    const outcomes = await Promise.all([reserve(build({ number: 100, eop: true })), reserve(build({ number: 101 }))])
    expect(outcomes[0]).to.equal('recorded')
    expect(outcomes[1]).to.include({ code: 'after_own_eop' })
  })

  it('what cannot be recorded does not leave', async () => {
    await open()
    h.store.failing = true
    expect(await reserve(build({ number: 100 }))).to.include({ code: 'not_recorded' })
    expect(await h.own(build({ number: 100 }))).to.include({ verdict: 'ignore', reason: 'not_recorded' })
    expect(await h.canonical()).to.deep.equal([])
  })

  it('H75 our own is refused while blocks of elected signers wait above our head, unless it is asked for; one that supersedes is not', async () => {
    await open()
    const chain = chainOf(100, 110)
    for (const block of [...chain.slice(0, 3), ...chain.slice(8)]) await h.gossip(block)
    const later = { window: WINDOW + 384n, salt: 1 }
    const stale = build({ number: 103, parent: chain[2]!, ...later })
    expect(await h.own(stale)).to.include({ verdict: 'ignore', reason: 'behind' })
    expect(await h.own(build({ number: 102, parent: chain[1]!, ...later })), 'it supersedes').to.include({ verdict: 'accept' })
    expect(await h.own(build({ number: 200, parent: new Uint8Array(32).fill(9), ...later })), 'nothing is known above it').to.include({ verdict: 'accept' })
    expect(await h.own(chain[7]!), 'the block that they wait for').to.include({ verdict: 'accept' })
    expect(await h.own(stale)).to.include({ reason: 'behind' })
    expect(await h.own(stale, { behind: true })).to.include({ verdict: 'accept' })
  })

  it('H75 our own that come out of order do not refuse each other', async () => {
    await open()
    const chain = chainOf(100, 103)
    for (const block of [...chain].reverse()) expect(await h.own(block)).to.include({ verdict: 'accept' })
    expect(await h.canonical()).to.deep.equal(shown(chain))
  })
})
