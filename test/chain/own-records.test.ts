import { expect } from 'chai'
import { ChainError } from '../../src/actors/chain/errors.js'
import { SlashingProtection } from '../../src/actors/chain/own.js'
import type { SignedRecords } from '../../src/actors/chain/ports.js'
import type { OwnSigned, SignedBefore } from '../../src/actors/store/ingress.js'
import { BOB, WINDOW, build } from '../support/chain-builder.js'
import type { Spec } from '../support/chain-builder.js'

const own = (spec: Spec): OwnSigned => {
  const { signer, hash, ssz } = build(spec)
  return { signer, hash, ssz }
}

/** A store whose writes end when the test says so. */
class Records implements SignedRecords {
  readonly kept: OwnSigned[] = []
  readonly writing: { readonly record: OwnSigned; readonly end: (failed?: boolean) => void }[] = []
  reads = 0

  async ownSigned(signer: Uint8Array, window: bigint): Promise<readonly OwnSigned[]> {
    this.reads++
    return Promise.resolve(window >= WINDOW ? this.kept.filter(record => Buffer.compare(record.signer, signer) === 0) : [])
  }

  recordSigned(record: OwnSigned): Promise<SignedBefore> {
    return new Promise((resolve, reject) => {
      this.writing.push({ record, end: (failed = false) => {
        if (failed) { reject(new Error('disk full')); return }
        this.kept.push(record)
        resolve({ recorded: true })
      } })
    })
  }

  /** Ends what is being written, in reverse. */
  async endAll(failed = false): Promise<number> {
    await settled()
    const ending = this.writing.splice(0).reverse()
    for (const { end } of ending) end(failed)
    await settled()
    return ending.length
  }
}

const settled = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const outcome = (promise: Promise<void>): Promise<unknown> => promise.then(() => 'recorded', (error: unknown) => error)

describe('chain: what we signed, recorded together', () => {
  let records: Records
  let protection: SlashingProtection
  beforeEach(() => { records = new Records(); protection = new SlashingProtection(records, 1_000) })

  it('what waits together is written together, and a window is read once', async () => {
    const all = Promise.all(Array.from({ length: 50 }, (_, at) => protection.record(own({ number: 100 + at }))))
    await settled()
    // the first came alone; the others came while the window was read for it
    expect(await records.endAll()).to.be.within(1, 50)
    while (records.kept.length < 50) expect(await records.endAll()).to.be.greaterThan(0)
    await all
    void protection.record(own({ number: 150 }))
    await records.endAll()
    expect(records.reads).to.equal(1)
  })

  it('nothing is recorded before its write has ended', async () => {
    let done = false
    const recording = protection.record(own({ number: 100 })).then(() => { done = true })
    await settled()
    expect(done).to.equal(false)
    await records.endAll()
    await recording
  })

  it('the same again waits for the disk no second time', async () => {
    void protection.record(own({ number: 100 }))
    await records.endAll()
    expect(await outcome(protection.record(own({ number: 100 })))).to.equal('recorded')
    expect(records.writing).to.have.length(0)
  })

  it('of two that conflict the second waits for what becomes of the first: refused', async () => {
    const first = outcome(protection.record(own({ number: 100 })))
    const second = outcome(protection.record(own({ number: 100, salt: 1 })))
    await records.endAll()
    expect(await first).to.equal('recorded')
    expect(await second).to.include({ code: 'conflicting_commitment', value: 100n })
    expect(records.kept).to.have.length(1)
  })

  it('or recorded, where the first could not be written', async () => {
    const lead = outcome(protection.record(own({ number: 99 })))
    const first = outcome(protection.record(own({ number: 100 })))
    const second = outcome(protection.record(own({ number: 100, salt: 1 })))
    await records.endAll()
    await records.endAll(true)
    expect(await lead).to.equal('recorded')
    expect(await first).to.include({ code: 'not_recorded', value: 100n })
    await records.endAll()
    expect(await second).to.equal('recorded')
  })

  it('after a write that failed the store is asked again: it may have been written all the same', async () => {
    const failed = outcome(protection.record(own({ number: 100 })))
    await settled()
    records.kept.push(records.writing[0]!.record)
    await records.endAll(true)
    expect(await failed).to.include({ code: 'not_recorded' })
    expect(await outcome(protection.record(own({ number: 100, salt: 1 })))).to.include({ code: 'conflicting_commitment' })
    expect(records.reads).to.equal(2)
  })

  it('a window that is read again while something of it is written is read after that: its end stays known', async () => {
    const windows: bigint[] = []
    let release = (): void => undefined
    const slow = new class extends Records {
      override async ownSigned(_signer: Uint8Array, window: bigint): Promise<readonly OwnSigned[]> {
        const there = window === WINDOW ? [...this.kept] : []
        // The second read of the first window takes longer than the writes.
        if (window === WINDOW && windows.includes(WINDOW)) await new Promise<void>(resolve => { release = resolve })
        windows.push(window)
        return there
      }
    }()
    const before = new SlashingProtection(slow, 1_000)
    const others = [1n, 2n, 3n, 4n].map(later => own({ number: 200, window: WINDOW + 384n * later }))
    // While this one is written, the others gather.
    const first = before.record(own({ number: 90 }))
    await settled()
    const all = [own({ number: 100, eop: true }), ...others, own({ number: 99 })].map(record => outcome(before.record(record)))
    for (let round = 0; round < 4; round++) { await slow.endAll(); await slow.endAll(); release() }
    await first
    expect(await Promise.all(all)).to.deep.equal(new Array(6).fill('recorded'))
    const late = outcome(before.record(own({ number: 105 })))
    for (let round = 0; round < 4; round++) { await slow.endAll(); await slow.endAll(); release() }
    expect(await late).to.include({ code: 'after_own_eop' })
  })

  it('what has not begun when it is closed is not recorded: who comes after would not know', async () => {
    const recording = outcome(protection.record(own({ number: 100 })))
    protection.close()
    expect(await records.endAll()).to.equal(0)
    expect(await recording).to.include({ code: 'not_recorded' })
  })

  describe('without waiting', () => {
    it('asks for the store where the window is not known, and while others are being recorded', async () => {
      expect(protection.add(own({ number: 100 }))).to.equal('unknown')
      const recording = protection.record(own({ number: 100 }))
      expect(protection.add(own({ number: 101 }))).to.equal('unknown')
      await records.endAll()
      await recording
      expect(protection.add(own({ number: 101 }))).to.equal('new')
      expect(records.writing).to.have.length(0)
    })

    /** Block 101, taken and not durable, in a window that has to be read again because a write failed. */
    async function addedAndReadAnew() {
      void protection.record(own({ number: 100 }))
      await records.endAll()
      const record = own({ number: 101 })
      protection.add(record)
      const failed = outcome(protection.record(own({ number: 102 })))
      await records.endAll(true)
      expect(await failed).to.include({ code: 'not_recorded' })
      return record
    }

    it('knows what it took at once: the same again, what conflicts, the end of our turn', async () => {
      void protection.record(own({ number: 100 }))
      await records.endAll()
      expect(protection.add(own({ number: 101 }))).to.equal('new')
      expect(protection.add(own({ number: 101 }))).to.equal('same')
      expect(protection.add(own({ number: 100 }))).to.equal('same')
      expect(() => protection.add(own({ number: 101, salt: 1 }))).to.throw(ChainError).with.property('code', 'conflicting_commitment')
      expect(protection.add(own({ number: 102, eop: true }))).to.equal('new')
      expect(() => protection.add(own({ number: 103 }))).to.throw(ChainError).with.property('code', 'after_own_eop')
      expect(await outcome(protection.record(own({ number: 101, salt: 1 })))).to.include({ code: 'conflicting_commitment' })
    })

    it('what is not durable yet counts where its window is read again', async () => {
      const record = await addedAndReadAnew()
      expect(await outcome(protection.record(own({ number: 101, salt: 1 })))).to.include({ code: 'conflicting_commitment' })
      expect(records.reads).to.equal(2)
      expect(records.kept).to.have.length(1)
      protection.isDurable(record)
    })

    it('who asks whether the same is recorded hears so when it is on disk', async () => {
      void protection.record(own({ number: 100 }))
      await records.endAll()
      protection.add(own({ number: 101 }))
      let done = false
      const again = protection.record(own({ number: 101 })).then(() => { done = true })
      await settled()
      expect(done).to.equal(false)
      expect(await records.endAll()).to.equal(1)
      await again
    })

    it('what becomes durable while its window is read counts, though the store answers without it', async () => {
      const record = await addedAndReadAnew()
      const conflicting = outcome(protection.record(own({ number: 101, salt: 1 })))
      protection.isDurable(record)
      await records.endAll()
      expect(await conflicting).to.include({ code: 'conflicting_commitment' })
    })
  })

  it('signers and windows are apart', async () => {
    const all = Promise.all([own({ number: 100 }), own({ number: 100, signer: BOB }), own({ number: 100, window: WINDOW - 384n })].map(record => outcome(protection.record(record))))
    for (let round = 0; round < 3; round++) await records.endAll()
    expect(await all).to.deep.equal(['recorded', 'recorded', 'recorded'])
    expect(records.reads).to.equal(3)
  })
})
