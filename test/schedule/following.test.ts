import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { EPOCH, FakeL1, address, operator, slot } from './fake-l1.js'
import { room } from './room.js'

const E = EPOCH * 200
const WHITELISTED = ['one', 'two', 'three'].map(name => ({ ...operator(name), activeSince: EPOCH }))

/** An L1 whose epoch E has begun, three epochs after its first block. */
const started = (variant: ConstructorParameters<typeof FakeL1>[0] = 'lookahead') =>
  new FakeL1(variant, { time: E - 4 * EPOCH, operators: WHITELISTED }).mineTo(E + 12)

describe('the schedule from L1, in the small', () => {
  before(async () => { await import('viem') })

  it('answers with the fallback of an epoch without a lookahead, and with no slot end elsewhere', async () => {
    const l1 = started()
    const { kit, answer } = await room(l1)
    expect(answer(E + EPOCH - 12)).deep.equal([l1.elected(E, l1.head)!.proposer])
    expect(answer(E + 24)).equal('not_slot_end')
    expect(answer(E + 25)).equal('not_slot_end')
    await kit.stop()
  })

  it('a posted lookahead elects, from the block on that posts it', async () => {
    const l1 = started()
    const { kit, answer, followed, changes } = await room(l1)
    const next = E + EPOCH
    expect(answer(next + 60)).equal('unknown')
    l1.post(next, [slot(next + 60, 'alice'), slot(next + 120, 'bob')]).mine()
    changes.length = 0
    await followed()
    expect(changes.some(([from, to]) => from <= next + 60 && to >= next + 120)).equal(true)
    expect(answer(next + 60)).deep.equal([address('alice')])
    expect(answer(next + 120)).deep.equal([address('bob')])
    expect(answer(next + 84)).equal('not_slot_end')
    await kit.stop()
  })

  it('a reorg takes a posted lookahead back (the reference keeps it)', async () => {
    const l1 = started()
    const { kit, answer, followed, changes, figures } = await room(l1)
    const next = E + EPOCH
    l1.post(next, [slot(next + 60, 'alice')]).mine()
    await followed()
    expect(answer(next + 60)).deep.equal([address('alice')])
    l1.reorg(1)
    l1.mine(l1.head.time + 12)
    changes.length = 0
    await followed()
    expect(answer(next + 60)).equal('unknown')
    expect(changes.some(([from, to]) => from <= next + 60 && to >= next + 60)).equal(true)
    expect((await figures()).reorgs).equal(1)
    await kit.stop()
  })

  it('L6 a chain whose time stands still is not followed, and nobody fails for it', async () => {
    const l1 = started()
    const { kit, followed, figures, answer } = await room(l1)
    const fallback = answer(E + EPOCH - 12)
    l1.mine(l1.head.time)
    await followed()
    expect((await figures()).failing?.code).equal('bad_response')
    expect(answer(E + EPOCH - 12)).deep.equal(fallback)
    expect(kit.events.some(({ type }) => type === 'failed')).equal(false)
    await kit.stop()
  })

  it('F2 an answer from memory within 5 µs', async () => {
    const l1 = started()
    const { kit, view } = await room(l1)
    const { signal } = new AbortController()
    const windows = Array.from({ length: 32 }, (_, index) => BigInt(E + 12 * index))
    // whatever else this machine does: the best of many batches
    const batches = Array.from({ length: 50 }, () => {
      const began = performance.now()
      for (let n = 0; n < 1_000; n++) void view.resolve(windows[n % 32]!, signal)
      return performance.now() - began
    })
    expect(Math.min(...batches), 'µs an answer').lessThan(5)
    await kit.stop()
  })

  it('F3 three calls a quiet block at most', async () => {
    const l1 = started()
    const { kit, wallAt, figures } = await room(l1)
    wallAt(l1.head.time + 2)
    await kit.advance(seconds(1))
    l1.calls.length = 0
    for (let block = 1; block <= 30; block++) {
      await kit.advance(seconds(12) - 500)
      // two and a half seconds after its slot began
      l1.mine()
      await kit.advance(500)
    }
    await kit.advance(seconds(4))
    expect((await figures()).head?.number).equal(l1.head.number)
    expect(l1.calls.length / 30).most(3)
    await kit.stop()
  })
})
