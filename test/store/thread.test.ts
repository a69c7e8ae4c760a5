import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { silentLogger, supervisor } from '../../src/actors/kernel/index.js'
import type { SupervisorEvent } from '../../src/actors/kernel/index.js'
import { STORE_CHILD, Store, StoreError, store } from '../../src/actors/store/index.js'
import type { StoreEvent, StorePorts } from '../../src/actors/store/index.js'
import { started } from '../setup/registry.js'
import { ended } from '../support/threads.js'
import { until } from '../support/until.js'
import { blocks, concat, failureOf, hex, inFolder } from './fixtures.js'

const SOON = 60_000
const exists = (path: string) => access(path).then(() => true, () => false)

/** The store as a node has it, with chain's part: what is not acknowledged is kept, and sent again when it is asked for. */
class Rig {
  readonly durable: number[] = []
  readonly events: StoreEvent[] = []
  readonly failures: SupervisorEvent[] = []
  readonly #kept = new Map<number, object>()
  readonly #workers: Worker[] = []
  readonly #onWorker = (worker: Worker): void => { this.#workers.push(worker) }
  readonly #root = supervisor('test', { log: silentLogger, onEvent: event => { if (event.type === 'failed') this.failures.push(event) } })
  readonly store: Store

  private constructor(dataDir: string) {
    process.on('worker', this.#onWorker)
    const chain: StorePorts['chain'] = {
      send: message => {
        if (message.type === 'durable') { this.durable.push(message.sequence); this.#kept.delete(message.sequence) }
        else this.#sendAgain()
        return 'ok'
      },
    }
    const make = store({ chain, answers: { send: () => 'ok' }, events: { send: event => { this.events.push(event); return 'ok' } } }, { dataDir })
    this.store = new Store(this.#root.child('store', make, { ...STORE_CHILD, backoff: { firstMs: 1, maxMs: 1, factor: 1, jitter: 0 } }))
  }

  static async open(dataDir: string): Promise<Rig> {
    const rig = new Rig(dataDir)
    started(() => rig.#root.stop())
    await rig.#root.start()
    return rig
  }

  /** The thread as it is now. */
  get worker(): Worker { return this.#workers.at(-1)! }

  write(sequence: number, batch: object): void {
    const after = [...this.#kept.keys()].at(-1)
    this.#kept.set(sequence, batch)
    void this.store.write(sequence, after, batch)
  }

  #sendAgain(): void {
    let after: number | undefined
    for (const [sequence, batch] of this.#kept) { void this.store.write(sequence, after, batch); after = sequence }
  }

  async close(): Promise<void> {
    process.off('worker', this.#onWorker)
    await this.#root.stop()
  }
}

describe('the store in its thread', () => {
  it('H33: the thread ends in the middle of writes, again and again: nothing acknowledged is lost, nothing is stored with a hole, all of it in the end', () => inFolder(async dataDir => {
    const rig = await Rig.open(dataDir)
    let next = 1
    for (let round = 0; round < 6; round++) {
      for (let count = 0; count < 40; count++, next++) rig.write(next, { commitments: blocks(BigInt(next), 1) })
      // From the second round on when some are acknowledged, and more have just begun.
      if (round > 0) await until(() => new Set(rig.durable).size > (round - 1) * 48, 'some are acknowledged')
      const acknowledged = rig.durable.length
      await ended(rig.worker)
      const { stats } = await rig.store.standing(SOON)
      expect(stats.commitments, 'acknowledged').to.be.at.least(new Set(rig.durable.slice(0, acknowledged)).size)
      expect(stats.commitments, 'without a hole').to.equal(Number(stats.highest ?? 0n))
    }
    await until(() => new Set(rig.durable).size === next - 1, 'every write')
    expect((await rig.store.standing(SOON)).stats.canonical).to.equal(next - 1)
    expect(hex(await rig.store.page(1n, 240, SOON))).to.equal(concat(blocks(1n, 240)))
    expect(rig.failures.length).to.equal(6)
    await rig.close()
    expect(rig.failures.length, 'closing is not dying').to.equal(6)
  }))

  it('a restore is answered after the writes sent before it', () => inFolder(async dataDir => {
    const rig = await Rig.open(dataDir)
    for (let sequence = 1; sequence <= 200; sequence++) rig.write(sequence, { commitments: blocks(BigInt(sequence), 1), confirmedTip: { blockNumber: BigInt(sequence) } })
    const restored = await rig.store.restore(10, 10, SOON)
    expect([...restored.tail].map(({ blockNumber }) => blockNumber)).to.deep.equal(Array.from({ length: 10 }, (_, at) => BigInt(191 + at)))
    expect(restored.confirmedTip).to.deep.equal({ blockNumber: 200n })
    await rig.close()
  }))

  it('H33: a stop writes what was sent before it', () => inFolder(async dataDir => {
    const rig = await Rig.open(dataDir)
    for (let sequence = 1; sequence <= 600; sequence++) rig.write(sequence, { commitments: blocks(BigInt(sequence), 1) })
    await rig.close()
    const again = await Rig.open(dataDir)
    expect((await again.store.standing(SOON)).stats.canonical).to.equal(600)
    await again.close()
  }))

  it('errors keep code, value and limit across the thread', () => inFolder(async dataDir => {
    const rig = await Rig.open(dataDir)
    const error = await failureOf(rig.store.setMeta('x'.repeat(257), null, SOON))
    expect(error).to.be.instanceOf(StoreError).and.include({ name: 'StoreError', code: 'invalid', value: 257, limit: 256 })
    await rig.close()
  }))

  it('gives nothing of the caller away: what it is handed stays usable', () => inFolder(async dataDir => {
    const rig = await Rig.open(dataDir)
    const [one] = blocks(1n, 1)
    const hashes = [one!.hash]
    rig.write(1, { commitments: [one!], txLists: [{ hash: one!.hash, bytes: one!.ssz }] })
    await Promise.all([rig.store.hasTxLists(hashes, SOON), rig.store.commitment(one!.hash, SOON), rig.store.txList(one!.hash, SOON)])
    expect([one!.ssz.length, one!.hash.length]).to.deep.equal([382, 32])
    await rig.close()
  }))

  it('lets the directory go at its end, also where its thread was ended before it could', () => inFolder(async dataDir => {
    const rig = await Rig.open(dataDir)
    expect(await exists(join(dataDir, 'lock'))).to.equal(true)
    await rig.close()
    expect(await exists(join(dataDir, 'lock'))).to.equal(false)
    const second = await Rig.open(dataDir)
    const closed = second.close()
    await ended(second.worker)
    await closed
    await until(async () => !await exists(join(dataDir, 'lock')), 'the lock file is gone')
    const third = await Rig.open(dataDir)
    await third.close()
  }))

  it('a directory that cannot be opened is a start that fails, with its own error', () => inFolder(async dataDir => {
    const first = await Rig.open(dataDir)
    const error = await failureOf(Rig.open(dataDir)) as Error
    expect(error.cause).to.be.instanceOf(StoreError).and.include({ code: 'locked', value: process.pid })
    await first.close()
  }))
})
