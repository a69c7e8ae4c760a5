import { expect } from 'chai'
import type { Database, DatabaseLimits, EvidencePut, TxListPut, WriteBatch } from '../../src/actors/store/database.js'
import { blocks, commitment, concat, failureOf, hashOf, hex, signerOf } from './fixtures.js'

/** Makes databases on one and the same ground, so that a second one finds what the first has kept. */
export interface Ground {
  make (limits?: Partial<DatabaseLimits>): Database
  /** Whether what is kept outlives the process. */
  readonly durable: boolean
  remove (): Promise<void>
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

const list = (name: string, content: Uint8Array, more: { readonly blockNumber?: bigint; readonly peer?: string } = {}): TxListPut =>
  ({ hash: hashOf(name), bytes: content, ...more })

const evidenceOf = (blockNumber: bigint): EvidencePut => ({
  kind: 'equivocation', reason: 'two for a height', signer: signerOf(2), blockNumber, submissionWindowEnd: 7n,
  messages: [commitment({ height: blockNumber }).ssz, commitment({ height: blockNumber, variant: 1 }).ssz],
  seenAt: 1_700_000_000_000,
})

/** What every `Database` does, whatever keeps its bytes. */
export function databaseContract(name: string, prepare: () => Promise<Ground>): void {
  describe(`the store's database (${name})`, () => {
    let ground: Ground
    let db: Database
    const reopen = async (limits?: Partial<DatabaseLimits>) => {
      await db.close()
      db = ground.make(limits)
      return db.open({ tail: 100 })
    }

    beforeEach(async () => {
      ground = await prepare()
      db = ground.make()
    })
    afterEach(async () => {
      await db.close()
      await ground.remove()
    })

    it('opens empty', async () => {
      const opened = await db.open()
      expect(opened).to.include({ durable: ground.durable, created: true, schema: 2 })
      expect(opened).to.include({ confirmedTip: undefined, headOverride: undefined })
      expect(opened.tail.length).to.equal(0)
      expect(opened.stats).to.include({ commitments: 0, lowest: undefined, highest: undefined })
    })

    it('serves canonical blocks by height, as concatenated SSZ', async () => {
      await db.open()
      const chain = blocks(100n, 300)
      await db.commit({ commitments: chain })
      expect(hex(await db.canonicalRange(100n, 256))).to.equal(concat(chain.slice(0, 256)))
      expect(hex(await db.canonicalRange(390n, 256))).to.equal(concat(chain.slice(290)))
      expect(hex(await db.canonicalRange(90n, 20)), 'H89: so many, wherever they begin').to.equal(concat(chain.slice(0, 20)))
      expect((await db.canonicalRange(100n, 10_000)).length, 'never more than 256').to.equal(256 * 382)
      expect((await db.canonicalRange(500n, 256)).length).to.equal(0)
      expect((await db.canonicalRange(100n, 0)).length).to.equal(0)
    })

    it('orders heights of any size', async () => {
      await db.open()
      const heights = [0n, 1n, 255n, 256n, 65_535n, 65_536n, 2n ** 53n, 2n ** 64n, 2n ** 256n - 1n]
      await db.commit({ commitments: [...heights].reverse().map(height => commitment({ height })) })
      const page = await db.scan(0n, 100)
      expect([...page].map(({ blockNumber }) => blockNumber)).to.deep.equal(heights)
      expect((await db.stats()).highest).to.equal(2n ** 256n - 1n)
    })

    it('serves a hand-over before the block of its height, in the order of their windows', async () => {
      await db.open()
      const [before, block] = [commitment({ height: 4n }), commitment({ height: 5n })]
      const later = commitment({ height: 5n, handover: true, window: 70_000n })
      const earlier = commitment({ height: 5n, handover: true, window: 900n })
      await db.commit({ commitments: [block, later, before, earlier] })
      expect(hex(await db.canonicalRange(4n, 10))).to.equal(concat([before, earlier, later, block]))
      expect(hex(await db.canonicalRange(4n, 2)), 'counted as commitments').to.equal(concat([before, earlier]))
      expect(hex(await db.canonicalRange(4n, 10, true)), 'H87').to.equal(concat([before, block]))
      expect(hex(await db.canonicalRange(5n, 1, true)), 'H87: the block, however many stand before it').to.equal(concat([block]))
      expect((await db.stats()).highest).to.equal(5n)
      expect([...await db.scan(5n, 10)].map(({ handover }) => handover)).to.deep.equal([true, true, false])
    })

    it('H87 gives one commitment a height where that is asked: the block, and the last hand-over only where there is none', async () => {
      await db.open()
      const chain = blocks(1n, 300)
      const handovers = [7n, 7n, 255n, 256n, 257n, 301n, 301n].map((height, at) => commitment({ height, handover: true, window: BigInt(1_000 + at) }))
      await db.commit({ commitments: [...handovers, ...chain] })
      expect(hex(await db.canonicalRange(1n, 256, true))).to.equal(concat(chain.slice(0, 256)))
      expect(hex(await db.canonicalRange(200n, 256, true))).to.equal(concat([...chain.slice(199), handovers.at(-1)!]))
      expect((await db.canonicalRange(1n, 256)).length / 382, 'counted as commitments').to.equal(256)
    })

    it('does not serve what waits for its parent', async () => {
      await db.open()
      const [canonical, waiting] = [commitment({ height: 5n }), commitment({ height: 7n, standing: 'pending' })]
      await db.commit({ commitments: [canonical, waiting] })
      expect(hex(await db.canonicalRange(5n, 10))).to.equal(concat([canonical]))
      expect([...await db.beside(10)].map(({ hash }) => hex(hash))).to.deep.equal([hex(waiting.hash)])
      expect((await db.commitmentByHash(waiting.hash))?.standing).to.equal('pending')
      await db.commit({ standings: [{ hash: waiting.hash, standing: 'canonical' }] })
      expect(hex(await db.canonicalRange(5n, 10))).to.equal(concat([canonical, waiting]))
      expect((await db.beside(10)).length).to.equal(0)
      expect((await db.stats()).highest).to.equal(7n)
    })

    it('has one canonical block a height: the later one demotes the earlier', async () => {
      await db.open()
      const [first, second] = [commitment({ height: 5n }), commitment({ height: 5n, variant: 1 })]
      await db.commit({ commitments: [first] })
      await db.commit({ commitments: [second] })
      expect(hex(await db.canonicalRange(5n, 10))).to.equal(concat([second]))
      expect((await db.commitmentByHash(first.hash))?.standing).to.equal('demoted')
      expect(await db.stats()).to.include({ commitments: 2, canonical: 1 })
      await db.commit({ standings: [{ hash: first.hash, standing: 'canonical' }] })
      expect(hex(await db.canonicalRange(5n, 10))).to.equal(concat([first]))
      expect((await db.commitmentByHash(second.hash))?.standing).to.equal('demoted')
    })

    it('rewinds: everything above is demoted, hand-overs included, and returns when it is named', async () => {
      await db.open()
      const chain = blocks(1n, 10)
      const handover = commitment({ height: 7n, handover: true })
      await db.commit({ commitments: [...chain, handover] })
      await db.commit({ rewindTo: 6n })
      expect(hex(await db.canonicalRange(1n, 20))).to.equal(concat(chain.slice(0, 6)))
      expect(await db.stats()).to.include({ commitments: 11, canonical: 6, highest: 6n })
      const other = commitment({ height: 7n, variant: 3 })
      await db.commit({ rewindTo: 5n, commitments: [other], standings: [{ hash: chain[5]!.hash, standing: 'canonical' }] })
      expect(hex(await db.canonicalRange(1n, 20))).to.equal(concat([...chain.slice(0, 6), other]))
      expect((await db.commitmentByHash(handover.hash))?.standing).to.equal('demoted')
      await db.commit({ rewindTo: 0n })
      expect(await db.stats()).to.include({ commitments: 12, canonical: 0, highest: undefined })
    })

    it('forgets commitments by hash', async () => {
      await db.open()
      const chain = blocks(1n, 3)
      await db.commit({ commitments: chain })
      await db.commit({ forget: [chain[2]!.hash, hashOf('unknown')] })
      expect(hex(await db.canonicalRange(1n, 10))).to.equal(concat(chain.slice(0, 2)))
      expect(await db.commitmentByHash(chain[2]!.hash)).to.equal(undefined)
      expect((await db.stats()).highest).to.equal(2n)
    })

    it('applies a batch again without changing anything, and keeps the first bytes', async () => {
      await db.open()
      const chain = blocks(1n, 20)
      const batch: WriteBatch = {
        commitments: chain, txLists: [list('a', bytes('a'), { blockNumber: 3n })], evidence: [evidenceOf(1n)],
      }
      await db.commit(batch)
      const before = await db.stats()
      await db.commit(batch)
      await db.commit({ commitments: [{ ...chain[0]!, signer: signerOf(9) }] })
      expect(await db.stats()).to.deep.equal(before)
      expect((await db.commitmentByHash(chain[0]!.hash))?.signer).to.deep.equal(signerOf(1))
    })

    it('gives the tail and scans from a cursor', async () => {
      await db.open()
      const handover = commitment({ height: 5n, handover: true })
      const chain = [...blocks(1n, 4), handover, ...blocks(5n, 6)]
      await db.commit({ commitments: chain })
      const hashes = (page: Iterable<{ hash: Uint8Array }>) => [...page].map(({ hash }) => hex(hash))
      expect(hashes(await db.tail(3))).to.deep.equal(hashes(chain.slice(-3)))
      expect(hashes(await db.tail(1_000))).to.deep.equal(hashes(chain))
      expect(hashes(await db.scan(3n, 4))).to.deep.equal(hashes(chain.slice(2, 6)))
      expect(hashes(await db.scan(5n, 3, handover.hash))).to.deep.equal(hashes(chain.slice(5, 8)))
      expect(hashes(await db.scan(5n, 3, hashOf('gone')))).to.deep.equal(hashes(chain.slice(4, 7)))
    })

    it('keeps txlists by hash, the first bytes for good', async () => {
      await db.open()
      const large = new Uint8Array(2 * 1024 * 1024).map((_, at) => at % 251)
      await db.commit({ txLists: [list('l', large, { peer: 'p' }), list('e', new Uint8Array(), { blockNumber: 1n })] })
      expect(Buffer.compare((await db.txList(hashOf('l'))) ?? new Uint8Array(), large)).to.equal(0)
      expect((await db.txList(hashOf('e')))?.length).to.equal(0)
      expect(await db.txList(hashOf('unknown'))).to.equal(undefined)
      expect(await db.hasTxLists([hashOf('l'), hashOf('unknown'), hashOf('e')])).to.deep.equal([true, false, true])
      expect(await db.stats()).to.include({ txLists: 2, referencedBytes: 0, unreferencedBytes: large.length + 256 })
      await db.commit({ referenced: [{ hash: hashOf('l'), blockNumber: 4n }, { hash: hashOf('unknown'), blockNumber: 4n }] })
      expect(await db.stats()).to.include({ txLists: 2, referencedBytes: large.length, unreferencedBytes: 0 })
      await db.commit({ forgetTxLists: [hashOf('l')] })
      expect(await db.stats()).to.include({ txLists: 1, referencedBytes: 0 })
    })

    it('lists the txlists that canonical blocks name and that are not there', async () => {
      await db.open()
      const lists = ['one', 'two', 'three', 'four'].map(bytes)
      const chain = lists.map((txList, at) => commitment({ height: BigInt(at + 1), txList }))
      const others = [commitment({ height: 3n, handover: true }), commitment({ height: 9n, standing: 'pending' })]
      await db.commit({ commitments: [...chain, ...others], txLists: [list('two', lists[1]!, { blockNumber: 2n })] })
      const { missing, next } = await db.missingTxLists(0n, 10)
      expect(missing.map(({ blockNumber }) => blockNumber)).to.deep.equal([1n, 3n, 4n])
      expect(hex(missing[0]?.hash)).to.equal(hex(hashOf(lists[0]!)))
      expect(next).to.equal(undefined)
      const first = await db.missingTxLists(0n, 1)
      expect(first.next).to.equal(3n)
      expect((await db.missingTxLists(first.next ?? 0n, 1)).missing[0]?.blockNumber).to.equal(3n)
    })

    it('keeps evidence in order', async () => {
      await db.open()
      await db.commit({ evidence: [evidenceOf(1n), evidenceOf(2n)] })
      await db.commit({ evidence: [evidenceOf(3n)] })
      const all = await db.evidence(0, 10)
      expect(all.map(({ blockNumber }) => blockNumber)).to.deep.equal([1n, 2n, 3n])
      const { sequence, ...first } = all[0]!
      expect(first).to.deep.equal(evidenceOf(1n))
      expect((await db.evidence(sequence + 1, 10)).length).to.equal(2)
    })

    it('keeps the first that we signed of a window and height (slashing protection)', async () => {
      await db.open()
      const own = ({ hash, signer, ssz }: ReturnType<typeof commitment>) => ({ hash, signer, ssz })
      const [first, second] = [own(commitment({ height: 5n })), own(commitment({ height: 5n, variant: 1 }))]
      expect(await db.recordSigned(first)).to.deep.equal({ recorded: true })
      expect(await db.recordSigned(first)).to.deep.equal({ recorded: true })
      expect(await db.recordSigned(second)).to.deep.equal({ recorded: false, conflict: first })
      expect(await db.recordSigned({ ...second, signer: signerOf(7) }), 'another signer').to.deep.equal({ recorded: true })
      const [otherWindow, handover] = [own(commitment({ height: 5n, variant: 1, window: 1_001n })), own(commitment({ height: 5n, handover: true }))]
      expect(await db.recordSigned(otherWindow), 'another window').to.deep.equal({ recorded: true })
      expect(await db.recordSigned(handover), 'no height of its own').to.deep.equal({ recorded: true })
      const unsigned = own(commitment({ height: 6n }))
      expect(await db.recordSigned({ ...unsigned, ssz: unsigned.ssz.subarray(0, 317) })).to.deep.equal({ recorded: true })
      expect(await db.recordSigned(unsigned), 'the same with its signature').to.deep.equal({ recorded: true })
      const [both] = await Promise.all([db.ownSigned(signerOf(1), 1_000n), db.commit({ rewindTo: 0n })])
      expect(both.length).to.equal(3)
      if (ground.durable) await reopen()
      expect(await db.recordSigned(second)).to.deep.equal({ recorded: false, conflict: first })
      await db.commit({ forgetSigned: 1_000n })
      expect((await db.ownSigned(signerOf(1), 1_000n)).length).to.equal(0)
      expect((await db.ownSigned(signerOf(1), 1_001n)).length).to.equal(1)
    })

    it('what we signed counts while it is written', async () => {
      await db.open()
      const recording = db.recordSigned(commitment({ height: 5n }))
      expect(await db.ownSigned(signerOf(1), 1_000n)).to.have.length(1)
      await recording
    })

    it('what bears our key goes in with its batch; two of one place are both kept, and no batch fails for it', async () => {
      await db.open()
      const [first, second] = [commitment({ height: 5n }), commitment({ height: 5n, variant: 1 })]
      await db.commit({ signed: [first], commitments: [first] })
      await db.commit({ signed: [first], commitments: [first] })
      await db.commit({ signed: [commitment({ height: 6n }), second], commitments: [commitment({ height: 6n })] })
      if (ground.durable) await reopen()
      expect((await db.ownSigned(signerOf(1), 1_000n)).map(({ hash }) => hex(hash))).to.have.members([first, second, commitment({ height: 6n })].map(({ hash }) => hex(hash)))
      expect([...await db.scan(0n, 10)].map(({ blockNumber }) => blockNumber)).to.deep.equal([5n, 6n])
    })

    it('two conflicting records at once: one goes in', async () => {
      await db.open()
      const puts = [0, 1, 2].map(variant => commitment({ height: 5n, variant }))
      const records = puts.map(({ hash, signer, ssz }) => ({ hash, signer, ssz }))
      const results = await Promise.all(records.map(record => db.recordSigned(record)))
      expect(results.map(({ recorded }) => recorded)).to.deep.equal([true, false, false])
    })

    it('H23: resumes with head, commitments, txlists, tip, override and meta', async () => {
      await db.open()
      const chain = blocks(10n, 5)
      const tip = { blockNumber: 11n, preconfirmationHash: chain[1]!.hash }
      await db.commit({
        commitments: [...chain, commitment({ height: 20n, standing: 'pending' })],
        txLists: [list('x', bytes('x'), { blockNumber: 10n })],
        confirmedTip: tip, headOverride: { blockNumber: 2n ** 70n, submissionWindowEnd: 5n },
        meta: [{ name: 'bans', value: '{"a":1}' }],
      })
      await db.commit({ txLists: [{ hash: hashOf('y'), bytes: bytes('y'), peer: 'mallory' }] })
      const before = await db.stats()
      const opened = await reopen()
      expect(opened).to.include({ created: false, droppedBytes: 0 })
      expect(opened.confirmedTip).to.deep.equal(tip)
      expect(opened.headOverride).to.deep.equal({ blockNumber: 2n ** 70n, submissionWindowEnd: 5n })
      expect([...opened.tail].map(({ hash }) => hex(hash))).to.deep.equal(chain.map(({ hash }) => hex(hash)))
      expect(opened.stats).to.deep.equal(before)
      expect(await db.meta('bans')).to.equal('{"a":1}')
      expect(hex(await db.txList(hashOf('y')))).to.equal(hex(bytes('y')))
      expect((await db.beside(10)).length).to.equal(1)
      await db.commit({ confirmedTip: null, headOverride: null, meta: [{ name: 'bans', value: null }] })
      const again = await reopen()
      expect(again.confirmedTip).to.equal(undefined)
      expect(again.headOverride).to.equal(undefined)
      expect(await db.meta('bans')).to.equal(undefined)
    })

    it('refuses what cannot be stored, and stores nothing of that batch', async () => {
      await db.open()
      const bad: readonly WriteBatch[] = [
        { commitments: [commitment({ height: 1n }), { ...commitment({ height: 2n }), hash: new Uint8Array(31) }] },
        { commitments: [{ ...commitment({ height: 2n }), ssz: new Uint8Array(381) }] },
        { txLists: [{ hash: hashOf('x'), bytes: new Uint8Array(2 * 1024 * 1024 + 1) }] },
        { referenced: [{ hash: hashOf('x'), blockNumber: 2n ** 256n }] },
        { meta: [{ name: '', value: 'x' }] },
      ]
      for (const batch of bad) expect(await failureOf(db.commit(batch))).to.include({ name: 'StoreError', code: 'invalid' })
      expect((await db.stats()).commitments).to.equal(0)
    })

    it('takes a commit in every turn of the event loop: none is left waiting', async () => {
      await db.open()
      for (let turns = 0; turns < 30; turns++) {
        const first = db.commit({ meta: [{ name: 'turns', value: 'first' }] })
        for (let turn = 0; turn < turns; turn++) await Promise.resolve()
        await Promise.all([first, db.commit({ meta: [{ name: 'turns', value: String(turns) }] })])
        expect(await db.meta('turns')).to.equal(String(turns))
      }
    })

    it('is `closed` before it is opened and after it is closed', async () => {
      expect(await failureOf(db.commit({}))).to.include({ code: 'closed' })
      await db.open()
      await db.close()
      expect(await failureOf(db.commit({}))).to.include({ code: 'closed' })
      expect(await failureOf(db.canonicalRange(0n, 1))).to.include({ code: 'closed' })
      await db.close()
    })

    it('finishes what is under way before it closes', async () => {
      await db.open()
      const chain = blocks(1n, 64)
      const commits = chain.map(one => db.commit({ commitments: [one] }))
      const [outcomes] = await Promise.all([Promise.allSettled(commits), db.close()])
      expect(outcomes.every(({ status }) => status === 'fulfilled')).to.equal(true)
      db = ground.make()
      expect((await db.open()).stats.commitments).to.equal(64)
    })

    describe('bounds', () => {
      it('H22: evicts the lowest commitments above the count, with their txlists, the head never', async () => {
        await db.open()
        const lists = [1n, 30n, 50n].map(blockNumber => list(`t${blockNumber}`, bytes('txs'), { blockNumber }))
        await db.commit({ commitments: blocks(1n, 50), txLists: lists })
        await reopen({ commitments: 20 })
        await db.commit({ commitments: [commitment({ height: 51n }), commitment({ height: 60n, standing: 'pending' })] })
        const stats = await db.stats()
        expect(stats).to.include({ commitments: 20, canonical: 19, lowest: 33n, highest: 51n, evictedCommitments: 32 })
        expect(stats).to.include({ evictedTxLists: 2, txLists: 1 })
        expect(await db.commitmentByHash(commitment({ height: 32n }).hash)).to.equal(undefined)
        await db.commit({ commitments: [commitment({ height: 5n })] })
        expect(await db.stats(), 'what comes below leaves at once').to.include({ commitments: 20, lowest: 33n })
        await reopen({ commitments: 1 })
        await db.commit({ commitments: blocks(61n, 3).map(put => ({ ...put, standing: 'pending' as const })) })
        expect(await db.stats()).to.include({ commitments: 1, canonical: 1, highest: 51n })
      })

      it('H22: evicts txlists of the lowest heights above the budget, and does not call them missing', async () => {
        await reopen({ referencedTxListBytes: 1_000 })
        const lists = Array.from({ length: 20 }, (_, at) => bytes(`${at}`.padEnd(100, 'x')))
        const chain = lists.map((txList, at) => commitment({ height: BigInt(at + 1), txList }))
        for (const [at, content] of lists.entries()) {
          const put = { hash: hashOf(content), bytes: content, blockNumber: BigInt(at + 1) }
          await db.commit({ commitments: [chain[at]!], txLists: [put] })
        }
        expect(await db.stats()).to.include({ txLists: 10, referencedBytes: 1_000, evictedTxLists: 10, txListFloor: 11n })
        expect(await db.txList(hashOf(lists[9]!))).to.equal(undefined)
        expect(await db.txList(hashOf(lists[10]!))).to.not.equal(undefined)
        expect((await db.missingTxLists(0n, 100)).missing).to.deep.equal([])
        await db.commit({ txLists: [{ hash: hashOf(lists[3]!), bytes: lists[3]!, blockNumber: 4n }] })
        expect(await db.txList(hashOf(lists[3]!)), 'below the floor there is no room').to.equal(undefined)
        expect(await db.txList(hashOf(lists[10]!))).to.not.equal(undefined)
      })

      it('a txlist that several heights name leaves with the highest', async () => {
        await reopen({ referencedTxListBytes: 250 })
        const content = bytes('l'.repeat(100))
        await db.commit({ txLists: [list('shared', content, { blockNumber: 1n }), list('b', content, { blockNumber: 2n })] })
        await db.commit({ referenced: [{ hash: hashOf('shared'), blockNumber: 3n }] })
        await db.commit({ txLists: [list('c', content, { blockNumber: 4n })] })
        expect(await db.hasTxLists(['shared', 'b', 'c'].map(text => hashOf(text)))).to.deep.equal([true, false, true])
      })

      it('H13: a flood of unreferenced txlists pushes out its own, not those of others', async () => {
        await reopen({ unreferencedTxListBytes: 10_000, unreferencedTxListBytesPerPeer: 4_000 })
        const put = (peer: string, number: number) => list(`${peer}.${number}`, new Uint8Array(744).fill(number), { peer })
        await db.commit({ txLists: [put('honest', 1), put('honest', 2)] })
        await db.commit({ txLists: Array.from({ length: 50 }, (_, at) => put('mallory', at)) })
        expect(await db.stats()).to.include({ unreferencedBytes: 6_000, evictedUnreferenced: 46 })
        for (const sybil of ['a', 'b', 'c']) await db.commit({ txLists: [0, 1, 2, 3].map(at => put(sybil, at)) })
        const stats = await db.stats()
        expect(stats.unreferencedBytes).to.be.at.most(10_000)
        expect(await db.hasTxLists([put('honest', 1).hash, put('honest', 2).hash])).to.deep.equal([true, true])
        await db.commit({ referenced: [{ hash: put('honest', 1).hash, blockNumber: 1n }] })
        await db.commit({ txLists: Array.from({ length: 100 }, (_, at) => put(`late${at}`, at)) })
        expect(await db.hasTxLists([put('honest', 1).hash]), 'referenced ones do not compete').to.deep.equal([true])
        expect((await db.stats()).unreferencedBytes).to.be.at.most(10_000)
      })

      it('H22: tiny txlists are bounded in number too, over restarts', async () => {
        const limits = { unreferencedTxListBytes: 257 * 20, unreferencedTxListBytesPerPeer: 257 * 20 }
        await reopen(limits)
        for (let round = 0; round < 3; round++) {
          await db.commit({ txLists: Array.from({ length: 30 }, (_, at) => list(`${round}.${at}`, bytes('x'), { peer: 'p' })) })
          if (ground.durable) await reopen(limits)
        }
        expect(await db.stats()).to.include({ txLists: 20, unreferencedBytes: 257 * 20, evictedUnreferenced: 70 })
        expect(await db.hasTxLists([hashOf('2.29'), hashOf('2.10'), hashOf('2.9')])).to.deep.equal([true, true, false])
      })

      it('H22: evidence is bounded in number', async () => {
        await reopen({ evidence: 3 })
        for (let height = 1n; height <= 5n; height++) await db.commit({ evidence: [evidenceOf(height)] })
        expect((await db.evidence(0, 10)).map(({ blockNumber }) => blockNumber)).to.deep.equal([3n, 4n, 5n])
        expect(await db.stats()).to.include({ evidence: 3, evictedEvidence: 2 })
      })
    })
  })
}
