import { expect } from 'chai'
import { hours, seconds } from '../../src/actors/kernel/index.js'
import { EPOCH, FakeL1, address, slot } from './fake-l1.js'
import { TestMeta, room } from './room.js'
import { walk } from './walk.js'
import { E, WHITELISTED, started, twisted } from './support.js'

const START = E - 60 * EPOCH
const OLD = START + 20 * EPOCH

/** Sixty epochs, of which one was posted, and another's operator blacklisted in between. */
function long(variant: 'lookahead' | 'whitelist' = 'lookahead'): FakeL1 {
  const l1 = new FakeL1(variant, { time: START, operators: WHITELISTED })
  l1.mineTo(OLD - 60)
  if (variant === 'lookahead') l1.post(OLD, [slot(OLD + 60, 'alice'), slot(OLD + 240, 'bob')]).mine()
  l1.mineTo(OLD + 12).blacklist('bob').mine()
  l1.mineTo(OLD + EPOCH).unblacklist('bob').mine()
  return l1.mineTo(E + 12)
}

describe('the schedule from L1: the past, and what is kept', () => {
  before(async () => { await import('viem') })

  it('L7 an old window is read when it is asked for, its blacklist as it was then', async () => {
    const l1 = long()
    const { kit, answer, asked } = await room(l1)
    expect(answer(OLD + 60)).equal('waits')
    expect(await asked(OLD + 60)).deep.equal([address('alice')])
    expect(await asked(OLD + 240)).deep.equal([l1.elected(OLD, l1.blocks.find(({ time }) => time === OLD + 24)!)!.proposer])
    expect(answer(OLD + 72)).equal('not_slot_end')
    expect(await asked(OLD + 3 * EPOCH - 12)).deep.equal([l1.elected(OLD + 2 * EPOCH, l1.head)!.proposer])
    await kit.stop()
  })

  it('L7 in the middle of history the fallback is who was elected then, whoever was added or removed since', async () => {
    const l1 = new FakeL1('whitelist', { time: START, operators: WHITELISTED })
    l1.mineTo(OLD).add('four').mine()
    l1.mineTo(OLD + 5 * EPOCH).remove('one').mine()
    l1.mineTo(OLD + 10 * EPOCH).remove('two').mine()
    l1.mineTo(E + 12)
    const { kit, asked } = await room(l1)
    for (let epoch = OLD - 2 * EPOCH; epoch < OLD + 12 * EPOCH; epoch += EPOCH) {
      const then = l1.elected(epoch, l1.blocks.findLast(({ time }) => time <= epoch + EPOCH - 12)!)!.proposer
      expect(await asked(epoch + EPOCH - 12), String((epoch - OLD) / EPOCH)).includes(then)
    }
    // with the log of its removal alone, its place is not known: nobody that may have been elected is refused
    expect((await asked(OLD + 11 * EPOCH - 12)).length).lessThan(4)
    await kit.stop()
  })

  it('L7 14 days, every epoch of them, by no more than a few calls each', async () => {
    const epochs = 14 * 225
    const l1 = new FakeL1('lookahead', { time: E - (epochs + 4) * EPOCH, operators: WHITELISTED })
    const first = E - epochs * EPOCH
    l1.mineTo(first - 60).post(first, [slot(first + 60, 'alice')]).mine()
    l1.mineTo(E + 12)
    const { read, answer } = await walk(l1)
    l1.calls.length = 0
    for (let epoch = first; epoch < E; epoch += EPOCH) {
      await read([epoch + EPOCH - 12])
      expect(answer(epoch + EPOCH - 12)).an('array')
    }
    expect(answer(first + 60)).deep.equal([address('alice')])
    expect(l1.calls.length / epochs).lessThan(4)
  })

  it('L7 logs are read in batches, halved where an endpoint finds them too large', async () => {
    const l1 = long()
    const { kit, asked } = await room(l1, { logRange: 500 })
    l1.maxRange = 200
    l1.calls.length = 0
    expect(await asked(OLD + 60)).deep.equal([address('alice')])
    expect(l1.calls.filter(each => each === 'eth_getLogs').length).within(8, 40)
    await kit.stop()
  })

  it('L7 the table of an old epoch is read for, whoever signs in it: a committer, or the fallback', async () => {
    const l1 = long()
    const { kit, handle } = await room(l1)
    for (const epoch of [OLD, OLD + EPOCH, E - 2 * EPOCH, E - 3 * EPOCH]) {
      const asked = handle.windows(epoch, seconds(60))
      for (let round = 0; round < 100; round++) await kit.settle()
      const rows = await asked
      const last = rows.at(-1)!
      expect([last.to, last.signers], String((epoch - OLD) / EPOCH)).deep.equal([epoch + EPOCH - 12, [l1.elected(epoch, l1.blocks.find(({ time }) => time === epoch + 36)!)!.proposer]])
      if (epoch === OLD) expect(rows[0]).include({ from: OLD, to: OLD + 60, as: 'lookahead' })
    }
    await kit.stop()
  })

  it('L7 older than is answered at all: not known, without a call', async () => {
    const l1 = long()
    const { kit, answer } = await room(l1, { history: hours(1) })
    l1.calls.length = 0
    expect(answer(OLD + 60)).equal('unknown')
    expect(l1.calls).deep.equal([])
    await kit.stop()
  })

  it('L7 what an endpoint has pruned is not known, and whoever waits is told so', async () => {
    const l1 = long()
    const { kit, asked } = await room(l1, {
      endpoints: { a: twisted(l1.call, (method, params, answer) => method === 'eth_getBlockByNumber' && Number(params[0]) < 1_000 ? null : answer()) },
    })
    expect(await asked(OLD + 60)).equal('unknown')
    await kit.stop()
  })

  it('L7 whoever stops waiting is waited for no more, and more than are kept do not wait', async () => {
    const l1 = long()
    const { kit, view, resolver } = await room(l1, { maxWaiting: 2 })
    const controllers = [1, 2, 3].map(() => new AbortController())
    const answers = controllers.map(({ signal }, index) => resolver(BigInt(OLD + 12 * index), { signal }))
    expect(answers[2]).equal('unknown')
    controllers[0]!.abort()
    expect(await answers[0]).equal('unknown')
    expect(view.waiting).deep.equal([OLD + 12])
    await kit.stop()
  })

  it('L7 a restart takes up what was kept, and reads only what is newer', async () => {
    const l1 = long()
    const store = new TestMeta()
    const first = await room(l1, { store })
    expect(await first.asked(OLD + 60)).deep.equal([address('alice')])
    const [fallback, mixed] = [await first.asked(OLD + 3 * EPOCH - 12), await first.asked(OLD + 240)]
    l1.mineTo(E + EPOCH + 12)
    await first.followed()
    expect(store.values.size).greaterThan(1)
    await first.kit.stop()

    l1.mineTo(E + 8 * EPOCH)
    l1.calls.length = 0
    const again = await room(l1, { store })
    expect(again.answer(OLD + 60)).deep.equal([address('alice')])
    expect(again.answer(OLD + 240)).deep.equal(mixed)
    expect(again.answer(OLD + 3 * EPOCH - 12)).deep.equal(fallback)
    expect(again.answer(E + 8 * EPOCH - 12)).deep.equal([l1.elected(E + 7 * EPOCH, l1.head)!.proposer])
    expect(l1.calls.length).lessThan(300)
    await again.kit.stop()
  })

  it('L7 nothing that is not finalized is kept', async () => {
    const l1 = started()
    const store = new TestMeta()
    l1.post(E + EPOCH, [slot(E + EPOCH + 60, 'alice')]).mine()
    const { kit } = await room(l1, { store })
    await kit.advance(seconds(5))
    expect([...store.values.values()].join()).not.includes(address('alice'))
    await kit.stop()
  })

  it('L7 what was kept of another chain, another contract, or in another form is worth nothing', async () => {
    const l1 = long()
    const store = new TestMeta()
    const first = await room(l1, { store })
    await first.asked(OLD + 60)
    l1.mineTo(E + EPOCH + 12)
    await first.followed()
    await first.kit.stop()
    const [name, text] = [...store.values].find(([each]) => each === 'schedule/record')!
    const foreign = twisted(l1.call, async (method, _params, answer) => method === 'eth_chainId' ? '0x2a' : answer())
    for (const [changed, endpoint] of [[text, foreign], [text.replace(/"checker":"0x../, '"checker":"0x99'), l1.call], ['{"version":1', l1.call], ['{}', l1.call]] as const) {
      const { kit, answer } = await room(l1, { store: Object.assign(new TestMeta(), { values: new Map([...store.values, [name, changed]]) }), endpoints: { a: endpoint } })
      expect(answer(OLD + 60)).equal('waits')
      expect(answer(E + 2 * EPOCH - 12)).deep.equal([l1.elected(E + EPOCH, l1.head)!.proposer])
      await kit.stop()
    }
  })

  it('L7 a disk that fails costs what is kept, and nothing else; it is tried again', async () => {
    const l1 = started()
    const store = new TestMeta()
    store.failing = true
    const { kit, answer, followed } = await room(l1, { store })
    expect(answer(E + EPOCH - 12)).deep.equal([l1.elected(E, l1.head)!.proposer])
    store.failing = false
    l1.mineTo(E + EPOCH + 12)
    await followed()
    await kit.settle()
    expect(store.values.has('schedule/record')).equal(true)
    await kit.stop()
  })

  it('an incarnation that fails takes nothing with it: the next one goes on with what is known', async () => {
    const l1 = long()
    const { kit, answer, asked, ref, followed } = await room(l1)
    expect(await asked(OLD + 60)).deep.equal([address('alice')])
    kit.crash(ref)
    expect(answer(OLD + 60)).deep.equal([address('alice')])
    await kit.advance(seconds(5))
    l1.post(E + EPOCH, [slot(E + EPOCH + 60, 'carol')]).mine()
    await followed()
    expect(answer(E + EPOCH + 60)).deep.equal([address('carol')])
    expect(answer(OLD + 60)).deep.equal([address('alice')])
    await kit.stop()
  })
})

