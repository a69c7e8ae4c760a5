import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { ALICE, BOB, CAROL, WINDOW, build, chainOf } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const LATER = WINDOW + 384n
const EVEN_LATER = WINDOW + 768n
const UNKNOWN = new Uint8Array(32).fill(7)

describe('chain: one way to demote (SPEC §7)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => {
    h = await house({ schedule: () => ({ signers: [ALICE, BOB, CAROL] }), ...options, config: { confirmedTip: TIP, ...options.config } })
  }
  afterEach(() => h.kit.stop())
  const fill = async (blocks: readonly Built[]): Promise<void> => { for (let at = 0; at < blocks.length; at += 200) await h.page(blocks.slice(at, at + 200)) }
  const done = async (decision: Promise<unknown>): Promise<unknown> => { const outcome = decision.then(() => 'done', (error: unknown) => error); await h.kit.settle(); return outcome }
  const head = async (): Promise<bigint> => (await h.standing()).head.blockNumber
  const deep = (): number => h.events.received.filter(({ type }) => type === 'deepReorg').length

  it('H43 step by step an elected signer comes no deeper than at once: the bound counts from the highest head, over restarts too', async () => {
    await open()
    const chain = chainOf(100, 400)
    await fill(chain)
    const superseding = (number: number): Built => build({ number, parent: chain[number - 101]!, signer: BOB, window: LATER })
    await h.gossip(superseding(350))
    expect(await head()).to.equal(350n)
    expect(await h.gossip(superseding(336))).to.equal('accept')
    expect(deep()).to.equal(1)
    expect(await head()).to.equal(350n)
    await h.gossip(superseding(337))
    expect(await head()).to.equal(337n)
    h = await h.restart()
    for (const number of [336, 300, 274]) await h.gossip(superseding(number))
    expect(await head()).to.equal(337n)
    expect(await h.canonical()).to.deep.equal(shown([...chain.slice(0, 237), superseding(337)]))
    expect(h.events.expect('deepReorg', { hash: superseding(300).hash, blockNumber: 300n, head: 337n }).evidence)
      .to.deep.equal([chain[200]!.ssz, superseding(300).ssz])
  })

  it('H43 the mark follows the head upwards again; a decision of the application sets it to the head that it leaves, another confirm does not', async () => {
    await open()
    const chain = chainOf(100, 300)
    await fill(chain)
    const first = build({ number: 237, parent: chain[136]!, signer: BOB, window: LATER })
    await h.gossip(first)
    const rest = chainOf(238, 310, { parent: first, signer: BOB, window: LATER })
    await fill(rest)
    const deeper = build({ number: 246, parent: rest[7]!, signer: CAROL, window: EVEN_LATER })
    await h.gossip(deeper)
    expect(deep()).to.equal(1)
    expect(await done(h.chain.confirm({ blockNumber: 240n, preconfirmationHash: rest[2]!.hash }, 1_000))).to.equal('done')
    await h.gossip(build({ number: 246, parent: rest[7]!, signer: CAROL, window: EVEN_LATER, salt: 1 }))
    expect(await head()).to.equal(310n)
    expect(await done(h.chain.rewind(300n, 1_000))).to.equal('done')
    const reachable = build({ number: 245, parent: rest[6]!, signer: CAROL, window: EVEN_LATER })
    await h.gossip(reachable)
    expect(await head()).to.equal(245n)
  })

  it('H44 a late parent of a block adopted without it takes down no more than the bound; beyond it, evidence, and the block stays', async () => {
    for (const [length, expected] of [[40, 101n], [800, 901n]] as const) {
      await open()
      const base = chainOf(100, 101)
      const late = build({ number: 150, parent: UNKNOWN, signer: BOB, window: LATER })
      const child = build({ number: 102, parent: late, signer: BOB, window: EVEN_LATER })
      await fill([...base, child])
      await h.kit.advance(seconds(11))
      await fill(chainOf(103, 101 + length, { parent: child, signer: CAROL, window: EVEN_LATER }))
      await h.gossip(late)
      expect(await head()).to.equal(expected)
      h.events.expect('misbehaviour', { reason: 'misnumbered' })
      expect(deep()).to.equal(length > 64 ? 1 : 0)
      if (length <= 64) await h.kit.stop()
    }
  })

  it('H44 the same under a tip without a hash', async () => {
    await open({ config: { confirmedTip: { blockNumber: 99n } } })
    const late = build({ number: 150, parent: UNKNOWN, signer: BOB, window: LATER })
    const first = build({ number: 100, parent: late, signer: BOB, window: EVEN_LATER })
    const rest = chainOf(101, 300, { parent: first, signer: CAROL, window: EVEN_LATER })
    await fill([first, ...rest])
    await h.gossip(late)
    expect(await head()).to.equal(300n)
    expect(deep()).to.equal(1)
    expect(await h.page(chainOf(301, 302, { parent: rest.at(-1)!, signer: CAROL, window: EVEN_LATER }))).to.deep.equal(['accept accepted', 'accept accepted'])
  })

  it('H44 a hand-over that comes late and stands on nothing that is known refutes nothing; one that is off the chain does, within the bound', async () => {
    await open()
    const base = chainOf(100, 102)
    const off = build({ number: 102, parent: base[1]!, signer: BOB, window: WINDOW - 384n })
    const handover = build({ number: 103, parent: off, handoverOnly: true, signer: BOB, window: WINDOW - 384n })
    const child = build({ number: 103, parent: handover, signer: CAROL, window: LATER })
    await fill([...base, child])
    await h.kit.advance(seconds(11))
    expect(await head()).to.equal(103n)
    await h.gossip(handover)
    expect(await head()).to.equal(103n)
    await h.gossip(off)
    expect(await h.canonical()).to.deep.equal(shown(base))
    await h.kit.stop()
    await open()
    await fill([...base, child])
    await h.kit.advance(seconds(11))
    await fill(chainOf(104, 200, { parent: child, signer: CAROL, window: LATER }))
    await h.gossip(off)
    await h.gossip(handover)
    expect(await head()).to.equal(200n)
    expect(deep()).to.equal(1)
  })

  it('H44 that a block was adopted without its parent outlives a restart, and so does what follows from it', async () => {
    await open()
    const base = chainOf(100, 101)
    const other = build({ number: 101, parent: base[0]!, signer: BOB, window: WINDOW - 384n })
    const child = build({ number: 102, parent: other, signer: BOB, window: LATER })
    await fill([...base, child])
    await h.kit.advance(seconds(11))
    h = await h.restart()
    expect(await head()).to.equal(102n)
    await h.gossip(other)
    expect(await h.canonical()).to.deep.equal(shown(base))
  })

  it('H58 what is read back must link: what does not waits for what is missing', async () => {
    await open()
    const chain = chainOf(100, 110)
    await fill(chain)
    await h.store.database.commit({ forget: [chain[4]!.hash] })
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ next: 104n, pendingParents: 6 })
    expect(await h.canonical()).to.deep.equal(shown(chain.slice(0, 4)))
    await h.gossip(chain[4]!)
    expect(await h.canonical()).to.deep.equal(shown(chain))
    const { hash, signer, ssz } = build({ number: 106, parent: chain[5]!, salt: 3 })
    await h.store.database.commit({ commitments: [{ hash, signer, ssz, standing: 'canonical' }] })
    h = await h.restart()
    expect(await h.standing(), 'another block than the one above links to').to.deep.include({ next: 107n, pendingParents: 4 })
  })
})

describe('chain: decisions of the application (SPEC §7)', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => {
    h = await house({ schedule: () => ({ signers: [ALICE, BOB, CAROL] }), ...options, config: { confirmedTip: TIP, ...options.config } })
  }
  afterEach(() => h.kit.stop())
  const take = async (blocks: readonly Built[]): Promise<void> => { for (const block of blocks) expect(await h.gossip(block)).to.equal('accept') }
  const done = async (decision: Promise<unknown>): Promise<unknown> => { const outcome = decision.then(() => 'done', (error: unknown) => error); await h.kit.settle(); return outcome }

  it('H48 a tip is our block of that height, however many hand-overs stand beside it', async () => {
    await open()
    const chain = chainOf(100, 199)
    await h.page(chain)
    for (let salt = 0; salt < 16; salt++) await h.gossip(build({ number: 200, parent: chain.at(-1)!, handoverOnly: true, signer: BOB, salt, window: LATER }))
    const rest = chainOf(200, 1_500, { parent: chain.at(-1)! })
    for (let at = 0; at < rest.length; at += 200) await h.page(rest.slice(at, at + 200))
    expect(await done(h.chain.confirm({ blockNumber: 200n, preconfirmationHash: rest[0]!.hash }, 1_000))).to.equal('done')
    expect(await h.standing()).to.deep.include({ next: 1_501n })
    h.events.expectNone('rewind')
    expect(await done(h.chain.confirm({ blockNumber: 201n, preconfirmationHash: new Uint8Array(32).fill(5) }, 1_000))).to.equal('done')
    expect(await h.standing()).to.deep.include({ next: 202n })
    h.events.expect('rewind', { to: 200n, reason: 'application' })
    await h.kit.stop()
    await open()
    await h.page(chain)
    for (let salt = 0; salt < 16; salt++) await h.gossip(build({ number: 200, parent: chain.at(-1)!, handoverOnly: true, signer: BOB, salt, window: LATER }))
    for (let at = 0; at < rest.length; at += 200) await h.page(rest.slice(at, at + 200))
    expect(await done(h.chain.confirm({ blockNumber: 200n, preconfirmationHash: new Uint8Array(32).fill(5) }, 1_000))).to.equal('done')
    expect(await h.standing(), 'another block than ours').to.deep.include({ next: 201n })
  })

  it('H49 a tip that was given without a hash, and then with one: where our block of that height is another, it goes', async () => {
    await open()
    const [block] = chainOf(100, 100)
    await take([block!])
    expect(await done(h.chain.confirm({ blockNumber: 100n }, 1_000))).to.equal('done')
    expect(await h.canonical()).to.deep.equal(shown([block!]))
    expect(await done(h.chain.confirm({ blockNumber: 100n, preconfirmationHash: UNKNOWN }, 1_000))).to.equal('done')
    expect(await h.canonical()).to.deep.equal([])
    h.events.expect('rewind', { to: 99n, reason: 'application' })
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ next: 101n, headHash: undefined })
  })

  it('H49 a tip at start is what it is at run time, its hash included', async () => {
    const other = new Uint8Array(32).fill(9)
    for (const [blockNumber, hash, next] of [[200n, 'ours', 1_501n], [200n, 'other', 201n], [1_400n, 'other', 1_401n], [99n, 'other', 100n], [1_500n, 'ours', 1_501n]] as const) {
      await open()
      const chain = chainOf(100, 1_500)
      for (let at = 0; at < chain.length; at += 200) await h.page(chain.slice(at, at + 200))
      const tip = { blockNumber, preconfirmationHash: hash === 'ours' ? chain[Number(blockNumber) - 100]!.hash : other }
      h = await h.restart({ config: { confirmedTip: tip } })
      expect(await h.standing(), `${hash} ${blockNumber}`).to.deep.include({ next, confirmedTip: tip })
      if (blockNumber !== 1_500n) await h.kit.stop()
    }
  })

  it('H57 what cannot be is refused at the door by code, and nothing is written', async () => {
    await open()
    await take(chainOf(100, 101))
    const writes = h.store.writes.length
    for (const height of [2n ** 64n - 1n, 2n ** 256n]) {
      expect(await done(h.chain.confirm({ blockNumber: height }, 1_000))).to.deep.include({ code: 'height_out_of_range', value: height, limit: 2n ** 64n - 2n })
      expect(await done(h.chain.rewind(height, 1_000))).to.include({ code: 'height_out_of_range' })
      void h.chain.updateHead({ blockNumber: height, submissionWindowEnd: 0n })
    }
    void h.chain.updateHead({ blockNumber: 1n, submissionWindowEnd: 2n ** 64n })
    expect(await done(h.chain.confirm({ blockNumber: 100n, preconfirmationHash: new Uint8Array(31) }, 1_000))).to.include({ code: 'invalid_value' })
    for (const hash of [new Uint8Array(31), undefined as never]) expect(await done(h.chain.reinstate(hash, 1_000))).to.include({ code: 'invalid_value' })
    expect(h.store.writes.length).to.equal(writes)
    void h.chain.serveHead(1)
    await h.kit.settle()
    expect(h.answers.expect('answer', { request: 1 }).body[0]).to.equal(101)
    expect(await done(h.chain.confirm({ blockNumber: 2n ** 64n - 2n }, 1_000))).to.equal('done')
  })

  it('H57 what an earlier version let through is not taken back from disk', async () => {
    await open()
    await h.store.database.commit({ headOverride: { blockNumber: 2n ** 200n, submissionWindowEnd: 0n }, confirmedTip: { blockNumber: 2n ** 200n } })
    h = await h.restart()
    expect((await h.standing()).confirmedTip?.blockNumber).to.equal(99n)
    void h.chain.serveHead(1)
    await h.kit.settle()
    expect(h.answers.expect('answer', { request: 1 }).body.every(byte => byte === 0)).to.equal(true)
  })

  describe('a rival of what came first (H74)', () => {
    const base = chainOf(100, 101)
    const first = build({ number: 102, parent: base[1]!, salt: 9 })
    const rival = build({ number: 102, parent: base[1]! })
    const onRival = chainOf(103, 105, { parent: rival })
    const next = chainOf(106, 107, { parent: onRival.at(-1)!, signer: BOB, window: LATER })
    const both = async (): Promise<void> => {
      await take([...base, first])
      expect(await h.gossip(rival)).to.equal('ignore')
      h.events.expect('equivocation', { blockNumber: 102n })
      await take(onRival)
      expect((await h.standing()).head.blockNumber).to.equal(102n)
      expect((await h.standing()).highest).to.equal(105n)
    }

    it('H74 is followed once a later window was built on it, whatever came when', async () => {
      for (const order of [[rival, ...onRival, ...next], [...next, ...onRival, rival], [onRival[1]!, next[0]!, rival, onRival[0]!, onRival[2]!, next[1]!]]) {
        await open()
        await take([...base, first])
        for (const each of order) await h.gossip(each)
        expect(await h.canonical()).to.deep.equal(shown([...base, rival, ...onRival, ...next]))
        h.events.expect('rewind', { to: 101n, reason: 'supersession' })
        expect((await h.store.database.commitmentByHash(first.hash))?.standing).to.equal('demoted')
        if (order[0] !== onRival[1]) await h.kit.stop()
      }
    })

    it('H74 is followed once a later window\'s rival was built on it too, which itself is not, whatever came when', async () => {
      const [block] = chainOf(100, 100)
      const window = (later: number): bigint => WINDOW + 12n * BigInt(later)
      const ours = [build({ number: 101, parent: block! })]
      for (const later of [1, 2]) ours.push(build({ number: 101 + later, window: window(later), parent: ours.at(-1)! }))
      const theirs = build({ number: 101, window: window(1), parent: block! })
      const onTheirs = build({ number: 102, window: window(1), salt: 1, parent: theirs })
      const last = build({ number: 103, window: window(2), salt: 1, parent: onTheirs })
      for (const order of [[theirs, onTheirs, last], [theirs, last, onTheirs], [onTheirs, last, theirs], [last, onTheirs, theirs]]) {
        await open()
        await take([block!, ...ours])
        for (const each of order) await h.gossip(each)
        expect(await h.canonical()).to.deep.equal(shown([block!, theirs, onTheirs]))
        if (order[0] !== last) await h.kit.stop()
      }
    })

    it('H74 not where our own side has a later window still, nor beyond the bound', async () => {
      await open()
      await both()
      await take([build({ number: 103, parent: first, signer: CAROL, window: EVEN_LATER }), ...next])
      expect((await h.canonical()).slice(0, 3)).to.deep.equal(shown([...base, first]))
      await h.kit.stop()
      await open()
      await take([...base, first])
      await h.page(chainOf(103, 180, { parent: first, signer: ALICE, window: WINDOW + 1n }))
      await h.gossip(rival)
      const onIt = chainOf(103, 104, { parent: rival, signer: BOB, window: LATER })
      await take(onIt)
      expect((await h.standing()).head.blockNumber).to.equal(180n)
      h.events.expect('deepReorg', { hash: rival.hash, head: 180n })
    })

    it('H74 what the application demoted bars nobody: after a rewind it is followed, and reinstate takes it by name', async () => {
      await open()
      await both()
      expect(await done(h.chain.rewind(101n, 1_000))).to.equal('done')
      expect(await h.canonical()).to.deep.equal(shown([...base, rival, ...onRival]))
      expect(await h.gossip(first)).to.equal('ignore')
      expect(h.reason()).to.equal('demoted')
      await h.kit.stop()
      await open()
      await both()
      expect(await done(h.chain.reinstate(rival.hash, 1_000))).to.equal('done')
      expect(await h.canonical()).to.deep.equal(shown([...base, rival, ...onRival]))
    })

    it('H74 reinstate takes it from the evidence, also after a restart', async () => {
      await open()
      await take([...base, first])
      await h.gossip(rival)
      h = await h.restart()
      expect(await h.store.database.commitmentByHash(rival.hash)).to.equal(undefined)
      expect(await done(h.chain.reinstate(rival.hash, 1_000))).to.equal('done')
      expect(await h.canonical()).to.deep.equal(shown([...base, rival]))
      expect((await h.store.database.commitmentByHash(first.hash))?.standing).to.equal('retired')
    })
  })

  it('H52 what came before sync has said where most begin is a beginning by chance, until it has', async () => {
    await open({ config: { confirmedTip: undefined } })
    const chain = chainOf(100, 140)
    await h.gossip(chain[30]!)
    for (const restarted of [false, true]) {
      if (restarted) h = await h.restart()
      expect(await h.standing()).to.deep.include({ next: 131n, rootedByChance: true })
    }
    void h.chain.rootAt(100n)
    expect(await h.standing()).to.deep.include({ next: 100n, rootedByChance: false })
    await h.page(chain.slice(0, 30))
    expect(await h.canonical()).to.deep.equal(shown(chain.slice(0, 31)))
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ next: 131n, rootedByChance: false })
    // Most begin above, and ours leads there: it stays where it is.
    void h.chain.rootAt(120n)
    expect(await h.standing()).to.deep.include({ next: 131n, rootedByChance: false })
  })

  it('H52 a chain without a tip begins where sync says: above, nothing is demoted and the rest is left behind; below, it waits for what is missing', async () => {
    await open({ config: { confirmedTip: undefined } })
    const chain = chainOf(100, 400)
    await h.page(chain.slice(0, 50))
    void h.chain.rootAt(300n)
    expect(await h.standing()).to.deep.include({ next: 300n })
    expect(await h.gossip(chain.at(-1)!)).to.equal('accept')
    await h.page(chain.slice(200, 300))
    h.events.expectNone('rewind')
    expect(await h.standing()).to.deep.include({ next: 401n })
    h = await h.restart()
    expect(await h.standing()).to.deep.include({ next: 401n })
    void h.chain.rootAt(250n)
    expect(await h.standing()).to.deep.include({ next: 250n })
    await h.page(chain.slice(150, 200))
    expect(await h.standing()).to.deep.include({ next: 401n })
    expect(await h.canonical()).to.deep.equal(shown([...chain.slice(0, 50), ...chain.slice(150)]))
  })
})
