import { expect } from 'chai'
import { SignedLedger } from '../../src/actors/chain/signed-ledger.js'
import { seededRandom } from '../../src/actors/kernel/index.js'
import { memoryDatabase } from '../../src/actors/store/memory.js'
import type { OwnSigned } from '../../src/actors/store/ingress.js'
import { COMMITMENT_SIZE } from '../../src/protocol/index.js'
import { ALICE, BOB, WINDOW, build } from '../support/chain-builder.js'
import type { Built, Spec } from '../support/chain-builder.js'

const own = (spec: Spec): OwnSigned => {
  const { signer, hash, ssz } = build(spec)
  return { signer, hash, ssz }
}

/** A ledger whose store answers, and whose turn becomes durable, when the test says so. */
function rig(addresses: readonly Uint8Array[] = [ALICE]) {
  const asked: { signer: Uint8Array; window: bigint }[] = []
  const written: OwnSigned[] = []
  const equivocations: { first: OwnSigned; second: OwnSigned }[] = []
  const unrecorded: OwnSigned[] = []
  let durable: (() => void)[] = []
  const ledger = new SignedLedger({
    read: (signer, window) => { asked.push({ signer, window }) },
    write: record => { written.push(record) },
    whenDurable: run => { durable.push(run) },
    equivocated: (first, second) => { equivocations.push({ first, second }) },
    unrecorded: record => { unrecorded.push(record) },
  }, addresses)
  const answer = (records: readonly OwnSigned[] = [], closedUpTo?: bigint): void => {
    for (const { signer, window } of asked.splice(0)) ledger.known(signer, window, { records, closedUpTo })
  }
  const codeOf = (record: OwnSigned): string => {
    try {
      ledger.record(record)
      return 'recorded'
    } catch (error) {
      return String((error as { code?: unknown }).code)
    }
  }
  /** As the pipeline does: the window first. */
  const record = (spec: Spec, stored: readonly OwnSigned[] = []): string => {
    if (!ledger.knows(own(spec))) answer(stored)
    return codeOf(own(spec))
  }
  return { ledger, asked, written, equivocations, unrecorded, answer, record, codeOf, becomeDurable: () => { for (const run of durable.splice(0)) run(); durable = [] } }
}

describe('chain: the ledger of what we signed (SPEC §7)', () => {
  it('a window is read once, then the one call says at once', () => {
    const { ledger, asked, record, written } = rig()
    expect(ledger.knows(own({ number: 100 }))).to.equal(false)
    expect(ledger.knows(own({ number: 101 }))).to.equal(false)
    expect(asked).to.have.length(1)
    expect([record({ number: 100 }), record({ number: 101 }), record({ number: 100 })]).to.deep.equal(['recorded', 'recorded', 'recorded'])
    expect(asked).to.have.length(0)
    expect(written).to.have.length(2)
  })

  it('what conflicts is refused, whether it was stored, recorded in this turn, or only seen', () => {
    const { ledger, record, answer } = rig()
    expect(record({ number: 100, salt: 1 }, [own({ number: 100 })])).to.equal('conflicting_commitment')
    expect(record({ number: 101 })).to.equal('recorded')
    expect(record({ number: 101, salt: 1 })).to.equal('conflicting_commitment')
    ledger.saw(own({ number: 102 }))
    answer()
    expect(record({ number: 102, salt: 1 })).to.equal('conflicting_commitment')
    ledger.saw(own({ number: 103, eop: true }))
    expect(record({ number: 104 })).to.equal('after_own_eop')
    expect(record({ number: 90, handoverOnly: true })).to.equal('eop_below_own_block')
  })

  it('H55 what was seen while its window is read counts when that is known, though the store answers without it', () => {
    const { ledger, codeOf, answer, written } = rig()
    ledger.saw(own({ number: 100 }))
    expect(ledger.knows(own({ number: 100, salt: 1 }))).to.equal(false)
    answer()
    expect(written.map(({ hash }) => hash)).to.deep.equal([own({ number: 100 }).hash])
    expect(codeOf(own({ number: 100, salt: 1 }))).to.equal('conflicting_commitment')
  })

  it('H55 nothing is recorded while what we signed in the window is not known', () => {
    const { ledger, codeOf, asked, written } = rig()
    ledger.saw(own({ number: 100 }))
    const [{ signer, window }] = asked.splice(0) as [{ signer: Uint8Array; window: bigint }]
    ledger.unknown(signer, window)
    expect(written, 'what was seen is recorded all the same').to.have.length(1)
    expect(codeOf(own({ number: 101 }))).to.equal('not_recorded')
    expect(ledger.knows(own({ number: 101 }))).to.equal(false)
    expect(asked, 'and it is asked again').to.have.length(1)
  })

  it('of others\' signatures nothing is kept', () => {
    const { ledger, asked } = rig()
    expect(ledger.isOurs(Buffer.from(BOB).toString('latin1'))).to.equal(false)
    expect(asked).to.have.length(0)
  })

  it('a window with something that is not durable yet is not let go, and not read again without it', () => {
    const { ledger, record, asked, becomeDurable } = rig()
    expect(record({ number: 100 })).to.equal('recorded')
    for (let other = 1n; other <= 40n; other++) record({ number: 100, window: WINDOW + 384n * other })
    expect(ledger.knows(own({ number: 100, salt: 1 }))).to.equal(true)
    expect(record({ number: 100, salt: 1 })).to.equal('conflicting_commitment')
    becomeDurable()
    for (let other = 41n; other <= 80n; other++) { record({ number: 100, window: WINDOW + 384n * other }); becomeDurable() }
    expect(ledger.knows(own({ number: 100, salt: 1 })), 'then it is').to.equal(false)
    expect(asked).to.have.length(1)
  })

  it('H62 at or below the mark nothing is signed, and what is recorded may go out again', () => {
    const { ledger, record, codeOf, answer } = rig()
    ledger.close(WINDOW - 1n)
    expect(record({ number: 100 })).to.equal('recorded')
    expect(record({ number: 100, window: WINDOW - 1n })).to.equal('window_closed')
    ledger.knows(own({ number: 100, window: WINDOW + 384n }))
    answer([own({ number: 100, window: WINDOW + 384n })], WINDOW + 384n)
    expect(codeOf(own({ number: 101, window: WINDOW + 384n }))).to.equal('window_closed')
    expect(codeOf(own({ number: 100, window: WINDOW + 384n })), 'the same again is signed already').to.equal('recorded')
    expect(record({ number: 101 }), 'the store\'s mark holds for all').to.equal('window_closed')
  })

  it('H76 two of ours that exclude each other are told, both ways round', () => {
    const { ledger, record, answer, equivocations } = rig()
    expect(record({ number: 100 })).to.equal('recorded')
    ledger.saw(own({ number: 100, salt: 1 }))
    expect(equivocations.map(({ first, second }) => [first.hash, second.hash])).to.deep.equal([[own({ number: 100 }).hash, own({ number: 100, salt: 1 }).hash]])
    ledger.saw(own({ number: 100, window: WINDOW + 384n }))
    ledger.saw(own({ number: 100, window: WINDOW + 384n, salt: 1 }))
    answer()
    expect(equivocations).to.have.length(2)
    ledger.saw(own({ number: 100 }))
    expect(equivocations, 'the same again is none').to.have.length(2)
  })

  it('what others show that is not recorded is told: a directory may be new', () => {
    const { ledger, record, answer, unrecorded } = rig()
    record({ number: 100 })
    ledger.saw(own({ number: 100 }))
    expect(unrecorded).to.have.length(0)
    ledger.saw(own({ number: 101 }))
    expect(unrecorded.map(({ hash }) => hash)).to.deep.equal([own({ number: 101 }).hash])
    ledger.saw(own({ number: 100, window: WINDOW + 384n }))
    answer([own({ number: 100, window: WINDOW + 384n })])
    expect(unrecorded).to.have.length(1)
  })

  it('a flood of what is ours in windows that are read is bounded, and nothing of it is forgotten', () => {
    const { ledger, written, asked } = rig()
    for (let window = 0n; window < 5_000n; window++) ledger.saw(own({ number: 100, window: WINDOW + window }))
    expect(asked.length).to.be.at.most(4_096)
    expect(written).to.have.length(5_000 - 4_096)
  })

  it('H55 nothing that conflicts gets through, whatever comes in whatever order, with failures, restarts and a slow store', async function () {
    let allowed = 0
    for (let seed = 1; seed <= 150; seed++) allowed += await history(seed)
    expect(allowed).to.be.greaterThan(1_000)
  })
})

interface Taken { readonly block: Built; readonly eop: boolean; readonly key: string }

const conflict = (a: Taken, b: Taken): boolean => {
  if (a.block.window !== b.block.window || a.key === b.key) return false
  if (!a.block.handoverOnly && !b.block.handoverOnly && a.block.number === b.block.number) return true
  const end = ({ block: { handoverOnly, number } }: Taken): bigint => handoverOnly ? number : number + 1n
  const after = (first: Taken, second: Taken): boolean => first.eop && second.block.number >= end(first)
  return after(a, b) || after(b, a)
}

/**
 * A random history over a real database: own ones (let through once their write is durable), own ones that others show, reads that fail, turns
 * that are lost with a crash of the actor. Of all that was let through or shown, nothing that was let through later may conflict with what
 * was there before it.
 */
async function history(seed: number): Promise<number> {
  const random = seededRandom(seed)
  const pick = (below: number): number => Math.floor(random() * below)
  const database = memoryDatabase()
  await database.open()
  const sleep = async (): Promise<void> => { if (pick(3) === 0) await new Promise(resolve => { setImmediate(resolve) }) }
  const there: Taken[] = []
  let allowed = 0
  let lost = { crashed: false }
  let turn: OwnSigned[] = []
  let waiting: (() => void)[] = []
  let asked: Promise<void>[] = []
  let ledger = make()

  function make(): SignedLedger {
    const mine = lost
    return new SignedLedger({
      read(signer, window) {
        asked.push((async () => {
          await sleep()
          const records = await database.ownSigned(signer, window)
          await sleep()
          if (mine.crashed) return
          if (pick(6) === 0) ledger.unknown(signer, window)
          else ledger.known(signer, window, { records, closedUpTo: undefined })
          await flush()
        })())
      },
      write: record => { turn.push(record) },
      whenDurable: run => { waiting.push(run) },
      equivocated: () => undefined,
      unrecorded: () => undefined,
    }, [ALICE])
  }
  /** The end of a turn: what it changed is written, or lost. */
  async function flush(): Promise<void> {
    const [signed, runs, mine] = [turn, waiting, lost]
    turn = []
    waiting = []
    if (mine.crashed) return
    await database.commit({ signed })
    if (!mine.crashed) for (const run of runs) run()
  }

  for (let step = 0; step < 80; step++) {
    const handoverOnly = pick(6) === 0
    const eop = handoverOnly || pick(4) === 0
    const block = build({ number: 1 + pick(5), window: 100 + pick(7), salt: pick(2), eop, handoverOnly })
    const taken: Taken = { block, eop, key: Buffer.from(block.ssz.subarray(0, COMMITMENT_SIZE)).toString('hex') }
    const record: OwnSigned = { signer: block.signer, hash: block.hash, ssz: pick(2) === 0 ? block.ssz : block.ssz.slice(0, COMMITMENT_SIZE) }
    if (pick(4) === 0) {
      ledger.saw(record)
      there.push(taken)
    } else if (ledger.knows(record)) {
      try {
        ledger.record(record)
        // What was shown is signed already, and may go out again.
        const before = there.some(({ key }) => key === taken.key) ? [] : [...there]
        waiting.push(() => {
          allowed++
          for (const each of before) if (conflict(each, taken)) throw new Error(`seed ${seed}: window ${taken.block.window}, height ${taken.block.number} conflicts with ${each.block.number}`)
          there.push(taken)
        })
      } catch (error) {
        if ((error as { code?: unknown }).code === undefined) throw error
      }
    }
    if (pick(3) > 0) await flush()
    if (pick(30) === 0) {
      // What others have shown and is not recorded yet is shown again after the crash, as a store gives back what it has.
      lost.crashed = true
      await Promise.all(asked)
      asked = []
      lost = { crashed: false }
      turn = []
      waiting = []
      ledger = make()
      for (const { block: { signer, hash, ssz } } of there) ledger.saw({ signer, hash, ssz })
    }
    await sleep()
  }
  await flush()
  await Promise.all(asked)
  return allowed
}
