import { expect } from 'chai'
import { supervisor } from '../../src/actors/kernel/index.js'
import type { Feedback, Supervisor } from '../../src/actors/kernel/index.js'
import type { Checked, Origin } from '../../src/actors/chain/ingress.js'
import { Validator, validator, validatorConfig } from '../../src/actors/validator/index.js'
import type { CheckedPort, ValidatorOptions } from '../../src/actors/validator/index.js'
import { findingName, loadCrypto } from '../../src/protocol/index.js'
import { poisoned, someCommitments, txListMessage, withByte } from './samples.js'
import type { Poison } from './samples.js'

const gossip = (id: number): Origin => ({ kind: 'gossip', peer: 'alice', messageId: String(id) })
const idOf = ({ origin }: Checked): number => origin.kind === 'gossip' ? Number(origin.messageId) : -1

/** A chain that keeps what it is given, and tells when it has so much. */
class Collector implements CheckedPort {
  readonly items: Checked[] = []
  #wanted = Infinity
  #done: (() => void) | undefined

  commitments(items: readonly Checked[]): Feedback { return this.#take(items) }
  txLists(items: readonly Checked[]): Feedback { return this.#take(items) }
  page(_peer: string, _ticket: number, items: readonly Checked[]): Feedback { return this.#take(items) }

  /** Resolves when so many have come in all. */
  count(wanted: number): Promise<void> {
    this.#wanted = wanted
    return new Promise(resolve => {
      this.#done = resolve
      void this.#take([])
    })
  }

  findings(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { finding } of this.items) counts[findingName(finding)] = (counts[findingName(finding)] ?? 0) + 1
    return counts
  }

  #take(items: readonly Checked[]): Feedback {
    this.items.push(...items)
    if (this.items.length >= this.#wanted) this.#done?.()
    return 'ok'
  }
}

describe('validator with threads', () => {
  let tree: Supervisor
  afterEach(async () => {
    delete process.env['VALIDATOR_TEST_ORIGINAL']
    await tree.stop()
  })

  async function start(options: ValidatorOptions): Promise<{ room: Validator; chain: Collector }> {
    const chain = new Collector()
    tree = supervisor('test')
    const ref = tree.child('validator', () => validator({ chain }, validatorConfig(options)))
    await tree.start()
    return { room: new Validator(ref), chain }
  }

  const poison = new URL('./workers/poison.js', import.meta.url)

  it('checks a burst of everything, each with the finding of the rules', async () => {
    const { room, chain } = await start({ pool: { threads: 2 } })
    const commitments = someCommitments(600).map((bytes, index) => index % 7 === 0 ? withByte(bytes, 381, 27) : bytes)
    const page = new Uint8Array(256 * 382)
    someCommitments(256).forEach((bytes, index) => { page.set(bytes, index * 382) })
    commitments.forEach((bytes, index) => { expect(room.commitment(bytes, gossip(index))).to.be.oneOf(['ok', 'backoff']) })
    const crypto = await loadCrypto()
    for (let index = 0; index < 20; index++) {
      const list = new Uint8Array(100_000).fill(index)
      void room.txList(txListMessage(index % 5 === 0 ? new Uint8Array(32) : crypto.keccak256(list), list), gossip(1_000 + index))
    }
    await room.page(page, 'bob', 1, new AbortController().signal)
    await chain.count(600 + 256 + 20)
    expect(chain.findings()).to.deep.equal({ valid: 514 + 256 + 16, bad_v: 86, hash_mismatch: 4 })
    expect(chain.items.filter(item => idOf(item) >= 0)).to.have.length(620)
    for (const item of chain.items) if (idOf(item) >= 0 && idOf(item) < 600) expect(item.bytes).to.equal(commitments[idOf(item)])
    const { batches, messages, deaths, degraded, running } = await room.figures(60_000)
    expect([messages, deaths, degraded, running]).to.deep.equal([876, 0, false, 0])
    expect(batches).to.be.below(876 / 3)
  })

  for (const how of ['exit', 'throw', 'memory', 'block'] satisfies Poison[]) {
    it(`H31: every message gets its verdict when one kills its thread (${how}), and only that one is given up`, async () => {
      const { room, chain } = await start({ pool: { threads: 2, worker: poison, heapMb: 32, hangWithin: 500 } })
      const messages = someCommitments(300)
      messages[137] = poisoned(messages[137]!, how)
      messages.forEach((bytes, index) => { void room.commitment(bytes, gossip(index)) })
      await chain.count(300)
      expect(chain.findings()).to.deep.equal({ valid: 299, worker_died: 1 })
      expect(chain.items.filter(({ finding }) => findingName(finding) === 'worker_died').map(idOf)).to.deep.equal([137])
      expect(new Set(chain.items.map(idOf)).size).to.equal(300)
      const { killers, deaths } = await room.figures(60_000)
      expect(killers).to.equal(1)
      expect(deaths).to.be.within(2, 6)
    })
  }

  it('H31: every message gets its real verdict when threads are killed in the middle of a batch by nobody’s fault', async () => {
    process.env['VALIDATOR_TEST_ORIGINAL'] = '1'
    const { room, chain } = await start({ pool: { threads: 2, worker: poison } })
    delete process.env['VALIDATOR_TEST_ORIGINAL']
    const messages = someCommitments(300)
    messages[20] = poisoned(messages[20]!, 'originals')
    messages.forEach((bytes, index) => { void room.commitment(bytes, gossip(index)) })
    await chain.count(300)
    expect(chain.findings()).to.deep.equal({ valid: 300 })
    expect((await room.figures(60_000)).deaths).to.be.within(1, 2)
  })

  it('H31: txlists too, while commitments go on', async () => {
    const { room, chain } = await start({ pool: { threads: 2, worker: poison } })
    const crypto = await loadCrypto()
    for (let index = 0; index < 12; index++) {
      const list = new Uint8Array(20_000).fill(index)
      const bytes = txListMessage(crypto.keccak256(list), list)
      void room.txList(index === 5 ? poisoned(bytes, 'exit') : bytes, gossip(index))
    }
    someCommitments(100).forEach((bytes, index) => { void room.commitment(bytes, gossip(100 + index)) })
    await chain.count(112)
    expect(chain.findings()).to.deep.equal({ valid: 111, worker_died: 1 })
    expect(findingName(chain.items.find(item => idOf(item) === 5)!.finding)).to.equal('worker_died')
  })

  it('H19: 2 MiB lists and recovery are checked in the threads, while the main thread\'s loop goes on turning', async () => {
    const { room, chain } = await start({ pool: { threads: 2 } })
    const crypto = await loadCrypto()
    const lists = Array.from({ length: 16 }, (_, index) => {
      const list = new Uint8Array(2_097_152).fill(index)
      return txListMessage(crypto.keccak256(list), list)
    })
    const commitments = someCommitments(2_000)
    let turns = 0
    const watch = (): void => { turns++; watching = setImmediate(watch) }
    for (const [index, bytes] of commitments.entries()) {
      void room.commitment(bytes, gossip(index))
      if (index % 125 === 0) void room.txList(lists[index / 125]!, gossip(10_000 + index))
    }
    let watching = setImmediate(watch)
    await chain.count(commitments.length + lists.length)
    clearImmediate(watching)
    expect(chain.findings()).to.deep.equal({ valid: 2_016 })
    const { batches, messages } = await room.figures(60_000)
    expect(messages).to.equal(2_016)
    // On the main thread a batch would be one turn.
    expect(turns).to.be.above(3 * batches)
  })

  it('H36: shows in its figures which library each thread runs on', async () => {
    const { room } = await start({ pool: { threads: 2, worker: new URL('./workers/no-native.js', import.meta.url) } })
    const { degraded, workers } = await room.figures(60_000)
    expect(degraded).to.equal(true)
    expect(workers.map(({ recover, keccak }) => `${recover} ${keccak}`)).to.deep.equal(['libauth hash-wasm', 'libauth hash-wasm'])
  })
})
