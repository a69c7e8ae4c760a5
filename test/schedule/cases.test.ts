import { expect } from 'chai'
import { padHex } from 'viem'
import { seconds } from '../../src/actors/kernel/index.js'
import { EPOCH, FakeL1, STORE, WHITELIST, address, beacon, operator, rootOf, slot } from './fake-l1.js'
import { room } from './room.js'
import { ScheduleError } from '../../src/actors/schedule/index.js'
import { E, NEXT, WHITELISTED, started, twisted } from './support.js'

const proposer = (name: string) => operator(name).proposer
/** Who is elected by the contract's own loop, as of its newest block. */
const fallbackOf = (l1: FakeL1, epoch: number) => l1.elected(epoch, l1.head)!.proposer

describe('the schedule from L1: the cases', () => {
  before(async () => { await import('viem') })

  for (const variant of ['lookahead', 'packed-lookahead'] as const) {
    it(`L3 ${variant}: an empty epoch is the fallback's, and borrows nothing from the next one`, async () => {
      const l1 = started(variant).post(NEXT, [])
      l1.mine()
      l1.mineTo(NEXT + 12).post(NEXT + EPOCH, [slot(NEXT + EPOCH, 'alice')]).mine()
      const { kit, answer } = await room(l1)
      expect(answer(NEXT + EPOCH - 12)).deep.equal([fallbackOf(l1, NEXT)])
      expect(answer(NEXT + EPOCH)).includes(address('alice'))
      await kit.stop()
    })

    it(`L3 ${variant}: the first and the last slot of an epoch are windows as others are`, async () => {
      const l1 = started(variant).post(NEXT, [slot(NEXT, 'alice'), slot(NEXT + EPOCH - 12, 'bob')])
      l1.mine()
      const { kit, answer } = await room(l1)
      expect(answer(NEXT)).includes(address('alice'))
      expect(answer(NEXT + EPOCH - 12)).includes(address('bob'))
      expect(answer(NEXT + 12)).equal('not_slot_end')
      await kit.stop()
    })
  }

  it('L3.3 behind the last slot the next epoch\'s first operator has it, and the fallback nothing', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    l1.mineTo(NEXT + 24).post(NEXT + EPOCH, [slot(NEXT + EPOCH + 24, 'bob')]).mine()
    const { kit, answer } = await room(l1)
    expect(answer(NEXT + EPOCH - 12)).equal('not_slot_end')
    expect(answer(NEXT + EPOCH + 24)).deep.equal([address('bob')])
    await kit.stop()
  })

  it('L3.4 behind the last slot it is the fallback\'s until the next lookahead comes, and for that while stays right', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    l1.mineTo(NEXT + 96)
    const { kit, answer, followed } = await room(l1)
    const tail = NEXT + EPOCH - 12
    expect(answer(tail)).deep.equal([fallbackOf(l1, NEXT)])
    l1.post(NEXT + EPOCH, [slot(NEXT + EPOCH + 24, 'bob')]).mine()
    await followed()
    expect(answer(tail)).deep.equal([fallbackOf(l1, NEXT)])
    expect(answer(NEXT + EPOCH + 24)).deep.equal([address('bob')])
    await kit.stop()
  })

  it('L3.5 whoever was struck off before the next lookahead came has nothing of the tail, though it was good when that began', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    l1.mineTo(NEXT + 96).blacklist('bob').mine()
    l1.mineTo(NEXT + 180).post(NEXT + EPOCH, [slot(NEXT + EPOCH + 24, 'bob')]).mine()
    const { kit, answer, followed } = await room(l1)
    l1.mineTo(NEXT + EPOCH + 24)
    await followed()
    expect(new Set(answer(NEXT + EPOCH + 24))).deep.equal(new Set([fallbackOf(l1, NEXT), fallbackOf(l1, NEXT + EPOCH)]))
    await kit.stop()
  })

  it('L3.4 whom the whitelist elects after the next lookahead has come has nothing of that tail', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    l1.mineTo(NEXT + 96).post(NEXT + EPOCH, [slot(NEXT + EPOCH + 24, 'bob')]).mine()
    const { kit, answer, followed } = await room(l1)
    const first = fallbackOf(l1, NEXT)
    l1.mineTo(NEXT + 240).remove(['one', 'two', 'three'].find(name => proposer(name) === first)!).mine()
    expect(fallbackOf(l1, NEXT)).not.equal(first)
    await followed()
    expect(answer(NEXT + EPOCH - 12)).deep.equal([first])
    await kit.stop()
  })

  it('L3.4 an empty next lookahead leaves the tail to the fallback', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    l1.mineTo(NEXT + 24).post(NEXT + EPOCH, []).mine()
    const { kit, answer } = await room(l1)
    expect(answer(NEXT + EPOCH - 12)).deep.equal([fallbackOf(l1, NEXT)])
    await kit.stop()
  })

  it('L3.5 a blacklisted operator is replaced by the fallback in its window, in whichever epoch its parts lie', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice'), slot(NEXT + 120, 'bob')]).blacklist('bob').blacklist('carol')
    l1.mine()
    l1.mineTo(NEXT + 24).post(NEXT + EPOCH, [slot(NEXT + EPOCH + 24, 'carol')]).mine()
    const { kit, answer } = await room(l1)
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    expect(answer(NEXT + 120)).deep.equal([fallbackOf(l1, NEXT)])
    const crossing = [fallbackOf(l1, NEXT), fallbackOf(l1, NEXT + EPOCH)]
    expect(new Set(answer(NEXT + EPOCH + 24))).deep.equal(new Set(crossing))
    expect(answer(NEXT + EPOCH - 12)).equal('not_slot_end')
    await kit.stop()
  })

  it('L3.5 packed: the tail of an epoch is its own while the next one\'s operator may not act', async () => {
    const l1 = started('packed-lookahead').post(NEXT, [slot(NEXT + 60, 'alice')]).deactivate('carol')
    l1.mine()
    l1.mineTo(NEXT + 24).post(NEXT + EPOCH, [slot(NEXT + EPOCH + 24, 'carol')]).mine()
    const { kit, answer, followed, view } = await room(l1)
    l1.mineTo(NEXT + 132)
    await followed()
    expect(answer(NEXT + EPOCH - 12)).deep.equal([fallbackOf(l1, NEXT)])
    expect(view.windows?.at(NEXT + 144)?.end).equal(NEXT + EPOCH - 12)
    expect(answer(NEXT + EPOCH + 24)).includes(fallbackOf(l1, NEXT + EPOCH))
    await kit.stop()
  })

  it('L5 a change of the blacklist leaves the old and the new one right in the windows that are open, and 24 s longer', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice'), slot(NEXT + 72, 'bob'), slot(NEXT + 84, 'bob'), slot(NEXT + 96, 'bob'), slot(NEXT + 108, 'bob')])
    l1.mine()
    const { kit, answer, followed } = await room(l1)
    l1.mineTo(NEXT + 60).blacklist('bob').mine()
    await followed()
    const both = [address('bob'), fallbackOf(l1, NEXT)]
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    for (const end of [72, 84, 96]) expect(answer(NEXT + end), String(end)).deep.equal(both)
    expect(answer(NEXT + 108)).deep.equal([fallbackOf(l1, NEXT)])
    await kit.stop()
  })

  it('L7 an operator that was blacklisted long before the start is so from the first answer on (the reference takes it to be good)', async () => {
    const l1 = new FakeL1('lookahead', { time: E - 20 * EPOCH, operators: WHITELISTED })
    l1.mineTo(E - 12 * EPOCH).blacklist('alice').mine()
    l1.mineTo(E + 12).post(NEXT, [slot(NEXT + 60, 'alice'), slot(NEXT + 96, 'bob')]).mine()
    const { kit, answer, followed } = await room(l1)
    expect(answer(NEXT + 60)).deep.equal([fallbackOf(l1, NEXT)])
    expect(answer(NEXT + 96)).deep.equal([address('bob')])
    // and so is one who is named only later
    l1.mineTo(NEXT + 12).post(NEXT + EPOCH, [slot(NEXT + EPOCH + 60, 'alice')]).mine()
    await followed()
    expect(answer(NEXT + EPOCH + 60)).not.includes(address('alice'))
    await kit.stop()
  })

  it('L4 an operator is removed in mid-epoch: another one is elected at once, and both are right in the window', async () => {
    const l1 = started('whitelist')
    const { kit, answer, followed } = await room(l1)
    const tail = E + EPOCH - 12
    const before = fallbackOf(l1, E)
    l1.remove(['one', 'two', 'three'].find(name => proposer(name) === before)!).mine()
    const after = fallbackOf(l1, E)
    expect(after).not.equal(before)
    await followed()
    expect(answer(tail)).deep.equal([before, after])
    l1.mineTo(NEXT + 36)
    await followed()
    expect(answer(NEXT + EPOCH - 12)).deep.equal([fallbackOf(l1, NEXT)])
    await kit.stop()
  })

  it('L4 an operator that is not active yet is not counted', async () => {
    const l1 = started('whitelist').add('four')
    l1.mine()
    const { kit, answer, followed } = await room(l1)
    for (let epoch = E; epoch < E + 4 * EPOCH; epoch += EPOCH) {
      l1.mineTo(epoch + 24)
      await followed()
      expect(answer(epoch + EPOCH - 12)).deep.equal([fallbackOf(l1, epoch)])
    }
    await kit.stop()
  })

  it('L4 nobody in the whitelist: not known, which is held against nobody', async () => {
    const l1 = started('whitelist', [])
    const { kit, answer, figures } = await room(l1)
    expect(answer(E + EPOCH - 12)).equal('unknown')
    expect((await figures()).answers.nobody).equal(1)
    await kit.stop()
  })

  it('L4 the randomness is that of the first block after the epoch\'s beginning, of the next one\'s first slot too, and zero without any', async () => {
    const randomness = E - 2 * EPOCH
    for (const first of [randomness + 12, randomness + 48, randomness + EPOCH, randomness + EPOCH + 12]) {
      const l1 = new FakeL1('whitelist', { time: E - 4 * EPOCH, operators: WHITELISTED }).mineTo(randomness)
      l1.mine(first, beacon(2))
      l1.mine(first + 12, beacon(1))
      l1.mineTo(E + 12)
      const { kit, answer, figures } = await room(l1)
      expect(answer(E + EPOCH - 12), String(first - randomness)).deep.equal([proposer(first > randomness + EPOCH ? 'one' : 'three')])
      expect((await figures()).mismatches).equal(0)
      await kit.stop()
    }
  })

  it('L4 where the contract names another fallback than was reckoned, it is believed, and told', async () => {
    const l1 = started('whitelist')
    const elected = l1.elected.bind(l1)
    const wrong = WHITELISTED.find(({ proposer: its }) => its !== fallbackOf(l1, E))!
    l1.elected = (epoch, block) => epoch === E ? wrong : elected(epoch, block)
    const { kit, answer, figures, events } = await room(l1)
    expect(answer(E + EPOCH - 12)).deep.equal([wrong.proposer])
    expect((await figures()).mismatches).equal(1)
    events.expect('scheduleMismatch', { epoch: E, named: wrong.proposer })
    await kit.stop()
  })

  it('L1 both addresses of a whitelisted operator, or the one that is chosen', async () => {
    const l1 = started('whitelist')
    const { proposer: its, sequencer } = l1.elected(E, l1.head)!
    for (const [fallbackSigner, expected] of [['both', [its, sequencer]], ['proposer', [its]], ['sequencer', [sequencer]]] as const) {
      const { kit, answer } = await room(l1, { fallbackSigner })
      expect(answer(E + EPOCH - 12)).deep.equal(expected)
      await kit.stop()
    }
  })

  it('L8 with a hand-over the operator of the next epoch may sign in the last window too', async () => {
    const l1 = started('whitelist')
    const { kit, answer } = await room(l1, { handoverSlots: 8 })
    expect(new Set(answer(E + EPOCH - 12))).deep.equal(new Set([fallbackOf(l1, E), fallbackOf(l1, NEXT)]))
    await kit.stop()
  })

  it('L1 packed: slots come from the transaction, called directly, through another contract or by one; none found: not known, and not empty', async () => {
    for (const through of ['directly', 'wrapped', 'inside', 'nowhere'] as const) {
      const l1 = started('packed-lookahead').post(NEXT, [slot(NEXT + 60, 'alice')], through)
      l1.mine()
      const { kit, answer } = await room(l1)
      expect(answer(NEXT + 60), through).satisfies((given: unknown) => through === 'nowhere' ? given === 'unknown' : (given as string[]).includes(address('alice')))
      expect(answer(NEXT + 72), through).equal(through === 'nowhere' ? 'unknown' : 'not_slot_end')
      await kit.stop()
    }
  })

  it('L1 packed: slots that an endpoint forges have another hash: not known; and a trace that one alone offers is enough', async () => {
    const l1 = started('packed-lookahead').post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    const other = started('packed-lookahead').post(NEXT, [slot(NEXT + 60, 'mallory')])
    const [forged] = [...other.mine().transactions.values()]
    const liar = twisted(l1.call, async (method, _params, given) => method === 'eth_getTransactionByHash' ? { ...await given() as object, input: forged!.input } : method === 'debug_traceTransaction' ? { input: forged!.input } : given())
    const alone = await room(l1, { endpoints: { a: liar } })
    expect(alone.answer(NEXT + 60)).equal('unknown')
    await alone.kit.stop()
    const inside = started('packed-lookahead').post(NEXT, [slot(NEXT + 60, 'alice')], 'inside')
    inside.mine()
    const bare = twisted(inside.call, async (method, _params, given) => { if (method === 'debug_traceTransaction') throw new ScheduleError('rpc_refused', 'no such method', -32_601); return given() })
    const three = await room(inside, { endpoints: { a: bare, b: bare, c: inside.call } })
    expect(three.answer(NEXT + 60)).includes(address('alice'))
    await three.kit.stop()
  })

  it('L5 slots that break the contract\'s own rules are a foreign store\'s: not known', async () => {
    const bad = [[slot(NEXT + 60, 'alice'), slot(NEXT + 60, 'bob')], [slot(NEXT + 61, 'alice')], [slot(NEXT + EPOCH, 'alice')], [{ time: NEXT + 60, root: rootOf('x'), committer: padHex('0x', { size: 20 }) }]]
    for (const slots of bad) {
      const l1 = started().post(NEXT, slots)
      l1.mine()
      const { kit, answer } = await room(l1)
      expect(answer(NEXT + 60)).equal('unknown')
      expect(answer(NEXT + 72)).equal('unknown')
      await kit.stop()
    }
  })

  it('L5 no window ends off a slot, and one in the far future is not known, without a call', async () => {
    const l1 = started()
    const { kit, answer, view } = await room(l1)
    l1.calls.length = 0
    expect(answer(E + 13)).equal('not_slot_end')
    expect(answer(E + 1_000 * EPOCH)).equal('unknown')
    expect(view.resolve(2n ** 64n, new AbortController().signal)).equal('unknown')
    await kit.settle()
    expect(l1.calls).deep.equal([])
    await kit.stop()
  })

  it('L6 a reorg that moves, replaces or drops what was said: nothing of the orphaned blocks counts', async () => {
    const l1 = started('whitelist')
    const { kit, answer, followed } = await room(l1)
    const tail = E + EPOCH - 12
    const before = fallbackOf(l1, E)
    const name = ['one', 'two', 'three'].find(each => proposer(each) === before)!
    l1.remove(name).mine()
    await followed()
    expect(answer(tail)).deep.equal([before, fallbackOf(l1, E)])
    l1.reorg(1)
    l1.mine()
    l1.mine()
    await followed()
    expect(answer(tail)).deep.equal([before])
    await kit.stop()
  })

  it('L6 a post and its epoch on both sides of a reorg', async () => {
    const l1 = started()
    const { kit, answer, followed } = await room(l1)
    l1.mineTo(NEXT - 24).post(NEXT, [slot(NEXT + 60, 'alice')]).mine()
    l1.mineTo(NEXT + 12)
    await followed()
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    l1.reorg(3)
    l1.mineTo(NEXT + 24)
    await followed()
    expect(answer(NEXT + 60)).equal('not_slot_end')
    expect(answer(NEXT + EPOCH - 12)).deep.equal([fallbackOf(l1, NEXT)])
    l1.reorg(4)
    l1.post(NEXT, [slot(NEXT + 96, 'bob')]).mine(NEXT - 12)
    l1.mineTo(NEXT + 36)
    await followed()
    expect(answer(NEXT + 96)).deep.equal([address('bob')])
    expect(answer(NEXT + 60)).equal('not_slot_end')
    await kit.stop()
  })

  it('L6 a reorg deeper than is followed is read anew', async () => {
    const l1 = started()
    const { kit, answer, followed, figures } = await room(l1, { maxReorg: 8 })
    l1.post(NEXT, [slot(NEXT + 60, 'alice')]).mine()
    await followed()
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    l1.mineTo(E + 240)
    await followed()
    l1.reorg(l1.blocks.filter(({ time }) => time > E + 12).length)
    l1.mineTo(E + 264)
    await followed()
    expect(answer(NEXT + 60)).equal('unknown')
    expect((await figures()).reorgs).greaterThan(0)
    await kit.stop()
  })

  it('L1 a log of a foreign contract, or of a foreign form, says nothing', async () => {
    const l1 = started()
    const posted = new FakeL1('lookahead', { time: E }).post(NEXT, [slot(NEXT + 60, 'mallory')])
    const [log] = posted.mine().logs
    l1.log({ ...log!, address: WHITELIST }).log({ address: STORE, topics: [], data: '0x' }).log({ address: WHITELIST, topics: [padHex('0x1')], data: '0x' }).mine()
    const { kit, answer } = await room(l1)
    expect(answer(NEXT + 60)).equal('unknown')
    await kit.stop()
  })

  it('L1 a post whose slots have another hash is no answer of an endpoint', async () => {
    const l1 = started()
    const { kit, answer, figures } = await room(l1)
    const [log] = new FakeL1('lookahead', { time: E }).post(NEXT, [slot(NEXT + 60, 'mallory')]).mine().logs
    l1.log({ ...log!, data: `0x${'11'.repeat(32)}${log!.data.slice(66)}` }).mine()
    await kit.advance(seconds(30))
    expect(answer(NEXT + 60)).equal('unknown')
    expect((await figures()).failing?.code).equal('bad_response')
    await kit.stop()
  })

  it('L1 the inbox names another checker: everything is read anew, and told', async () => {
    const l1 = started('whitelist')
    const { kit, followed, events, answer } = await room(l1)
    events.expect('scheduleContracts', { variant: 'whitelist', from: undefined })
    l1.moveChecker(STORE)
    ;(l1 as { variant: string }).variant = 'lookahead'
    l1.mine()
    l1.mineTo(NEXT + 12).post(NEXT + EPOCH, [slot(NEXT + EPOCH + 60, 'alice')]).mine()
    await followed()
    await kit.advance(seconds(5))
    events.expect('scheduleContracts', { variant: 'lookahead', from: WHITELIST, to: STORE })
    expect(answer(NEXT + EPOCH + 60)).deep.equal([address('alice')])
    await kit.stop()
  })

  it('L5 tells beforehand who signs now and next, the fallback where the lookahead leaves a gap', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice'), slot(NEXT + 120, 'bob')])
    l1.mine()
    l1.mineTo(NEXT + 12)
    const { kit, view } = await room(l1)
    const told = view.upcoming(BigInt(NEXT + 24)).map(({ address: its, submissionWindowEnd }) => [Buffer.from(its).toString('hex'), Number(submissionWindowEnd) - NEXT])
    expect(told).deep.equal([[address('alice').slice(2), 60], [address('bob').slice(2), 120], [fallbackOf(l1, NEXT).slice(2), EPOCH - 12]])
    await kit.stop()
  })

  it('L5 the table of an epoch for people', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')]).blacklist('alice')
    l1.mine()
    l1.mineTo(NEXT + 12)
    const { kit, handle } = await room(l1)
    const asked = handle.windows(undefined, seconds(5))
    await kit.settle()
    const rows = await asked
    expect(rows.map(({ from, to, as }) => [from - NEXT, to - NEXT, as])).deep.equal([[0, 60, 'fallback'], [72, EPOCH - 12, 'fallback']])
    await kit.stop()
  })
})
