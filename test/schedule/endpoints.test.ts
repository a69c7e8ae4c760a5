import { expect } from 'chai'
import { minutes, seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { ScheduleError } from '../../src/actors/schedule/index.js'
import { FakeL1, EPOCH, address, slot } from './fake-l1.js'
import { room } from './room.js'
import { E, NEXT, started, twisted } from './support.js'

/** The same L1, in which mallory was posted: what a liar tells. */
function forged(l1: FakeL1): FakeL1 {
  const copy = new FakeL1(l1.variant, { time: E, operators: [] })
  copy.blocks.splice(0, 1, ...l1.blocks)
  copy.post(NEXT, [slot(NEXT + 60, 'mallory')]).mine()
  return copy
}

const fails = (code: 'rpc_failed' | 'rpc_refused', value?: unknown) => async () => { throw new ScheduleError(code, 'injected', value) }
const hangs = () => new Promise<never>(() => undefined)

describe('the schedule from L1: endpoints', () => {
  before(async () => { await import('viem') })

  it('L6 one lying endpoint of three elects nobody, wherever it stands', async () => {
    for (const place of [0, 1, 2]) {
      const l1 = started()
      const liar = forged(l1)
      l1.mine()
      const endpoints = Object.fromEntries(['a', 'b', 'c'].map((name, index) => [name, index === place ? liar.call : l1.call]))
      const { kit, answer, figures } = await room(l1, { endpoints })
      await kit.advance(seconds(30))
      expect(answer(NEXT + 60), String(place)).equal('unknown')
      l1.post(NEXT, [slot(NEXT + 60, 'alice')]).mine()
      await kit.advance(seconds(30))
      expect(answer(NEXT + 60), String(place)).deep.equal([address('alice')])
      expect((await figures()).head?.hash).equal(l1.head.hash)
      await kit.stop()
    }
  })

  it('L6 one that forges the logs, the bloom, a call or a header alone elects nobody', async () => {
    const l1 = started()
    const [log] = new FakeL1('lookahead', { time: E }).post(NEXT, [slot(NEXT + 60, 'mallory')]).mine().logs
    l1.post(NEXT, [slot(NEXT + 60, 'alice')]).mine()
    const twists = {
      logs: twisted(l1.call, async (method, _params, answer) => method !== 'eth_getLogs' ? answer() : (await answer() as object[]).map(each => ({ ...each, data: log!.data, topics: log!.topics }))),
      nothing: twisted(l1.call, async (method, _params, answer) => method !== 'eth_getLogs' ? answer() : []),
      bloom: twisted(l1.call, async (method, _params, answer) => method.startsWith('eth_getBlock') ? { ...await answer() as object, logsBloom: `0x${'00'.repeat(256)}` } : answer()),
      call: twisted(l1.call, async (method, _params, answer) => method === 'eth_call' ? `0x${'00'.repeat(64)}` : answer()),
      root: twisted(l1.call, async (method, _params, answer) => method.startsWith('eth_getBlock') ? { ...await answer() as object, parentBeaconBlockRoot: `0x${'00'.repeat(31)}07` } : answer()),
    }
    for (const [name, liar] of Object.entries(twists)) {
      const { kit, answer, figures } = await room(l1, { endpoints: { a: liar, b: l1.call, c: l1.call } })
      await kit.advance(seconds(15))
      expect(answer(NEXT + 60), name).deep.equal([address('alice')])
      expect(answer(E + EPOCH - 12), name).deep.equal([l1.elected(E, l1.head)!.proposer])
      expect((await figures()).endpoints[0]!.outvoted, name).greaterThan(0)
      await kit.stop()
    }
  })

  it('L6 two of two that differ: nobody is believed, and it is counted', async () => {
    const l1 = started()
    const liar = forged(l1)
    l1.mine()
    const { kit, answer, figures } = await room(l1, { endpoints: { a: liar.call, b: l1.call }, quorum: 2 })
    await kit.advance(seconds(30))
    expect(answer(NEXT + 60)).equal('unknown')
    expect((await figures()).disagreements).greaterThan(0)
    await kit.stop()
  })

  it('L6 a stale endpoint is left for one that follows', async () => {
    const l1 = started()
    const stale = new FakeL1('lookahead', { time: E })
    stale.blocks.splice(0, 1, ...l1.blocks)
    l1.mineTo(E + 120).post(NEXT, [slot(NEXT + 60, 'alice')]).mine()
    const { kit, answer, figures } = await room(l1, { endpoints: { a: stale.call, b: l1.call } })
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    expect((await figures()).endpoints[0]!.resting).equal('behind')
    await kit.stop()
  })

  it('L6 one that is ahead of the others, or says so, holds nobody up', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    const ahead = new FakeL1('lookahead', { time: E })
    ahead.blocks.splice(0, 1, ...l1.blocks)
    ahead.mineTo(l1.head.time + 60)
    const { kit, answer, figures } = await room(l1, { endpoints: { a: ahead.call, b: l1.call, c: l1.call } })
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    expect((await figures()).head?.hash).equal(l1.head.hash)
    await kit.stop()
  })

  it('L6 an endpoint that goes back to an older block takes nothing back', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    const older = new FakeL1('lookahead', { time: E })
    older.blocks.splice(0, 1, ...l1.blocks.slice(0, -1))
    let dead = false
    const first = twisted(l1.call, async (_method, _params, answer) => dead ? fails('rpc_failed')() : answer())
    const { kit, answer, figures } = await room(l1, { endpoints: { a: first, b: older.call } })
    dead = true
    await kit.advance(seconds(15))
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    expect((await figures()).behind).greaterThan(0)
    await kit.stop()
  })

  it('L6 an endpoint that dies, hangs, refuses or answers nonsense is passed over', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    const bad = {
      dies: fails('rpc_failed'), limited: fails('rpc_failed', 429), refuses: fails('rpc_refused', -32005), hangs,
      nonsense: async () => ({ number: 7 }), text: async () => 'no', huge: async () => Array.from({ length: 30_000 }, () => 0),
    }
    for (const [name, call] of Object.entries(bad)) {
      const { kit, answer } = await room(l1, { endpoints: { a: call, b: l1.call } })
      await kit.advance(minutes(3))
      expect(answer(NEXT + 60), name).deep.equal([address('alice')])
      await kit.stop()
    }
  })

  it('L6 an endpoint that fails is asked less and less often, and again when it is well', async () => {
    const l1 = started()
    let [dead, asked] = [true, 0]
    const call = twisted(l1.call, async (_method, _params, answer) => {
      asked++
      return dead ? fails('rpc_failed')() : answer()
    })
    const { kit, answer, figures } = await room(l1, { endpoints: { a: call } })
    await kit.advance(seconds(60))
    expect(asked).within(10, 40)
    expect((await figures()).failing?.code).equal('rpc_failed')
    expect(answer(E + EPOCH - 12)).equal('unknown')
    dead = false
    await kit.advance(seconds(10))
    expect(answer(E + EPOCH - 12)).deep.equal([l1.elected(E, l1.head)!.proposer])
    await kit.stop()
  })

  it('L6 L1 is silent: known windows keep their answer, what it may still decide is not known; and it is told once', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    l1.mineTo(NEXT + 72)
    const { kit, answer, events, changes, figures } = await room(l1)
    const tail = NEXT + EPOCH - 12
    expect(answer(tail)).deep.equal([l1.elected(NEXT, l1.head)!.proposer])
    events.expect('scheduleFresh', { fresh: true })
    changes.length = 0
    await kit.advance(seconds(60))
    expect(answer(NEXT + 60)).deep.equal([address('alice')])
    expect(answer(tail)).equal('unknown')
    expect(changes.some(([from, to]) => from <= tail && to >= tail)).equal(true)
    events.expect('scheduleFresh', { fresh: false })
    events.expectNone('scheduleFresh')
    expect(await figures()).include({ fresh: false })
    l1.mineTo(NEXT + 132)
    await kit.advance(seconds(10))
    expect(answer(tail)).deep.equal([l1.elected(NEXT, l1.head)!.proposer])
    events.expect('scheduleFresh', { fresh: true })
    await kit.stop()
  })

  it('L6 no answer waits for an endpoint that hangs', async () => {
    const l1 = started()
    let dead = false
    const call = twisted(l1.call, (_method, _params, answer) => dead ? hangs() : answer())
    const { kit, answer } = await room(l1, { endpoints: { a: call } })
    dead = true
    l1.mineTo(E + 60)
    await kit.advance(seconds(30))
    for (let end = E; end < NEXT + EPOCH; end += 12) expect(answer(end), String(end - E)).not.equal('waits')
    await kit.stop()
  })

  it('L1 another chain behind a second endpoint is outvoted, not followed', async () => {
    const l1 = started()
    const foreign = twisted(l1.call, async (method, _params, answer) => method === 'eth_chainId' ? '0x1' : answer())
    const { kit, figures } = await room(l1, { endpoints: { a: foreign, b: l1.call, c: l1.call } })
    expect((await figures()).chainId).equal(31_337n)
    await kit.stop()
  })

  it('a wrong option is told before anything starts, and no secret of a URL with it', async () => {
    const { scheduleFromL1 } = await import('../../src/actors/schedule/index.js')
    const inbox = address('inbox')
    const codeOf = (options: Parameters<typeof scheduleFromL1>[0]): unknown => {
      try { scheduleFromL1(options) } catch (error) { return (error as ScheduleError).code }
      return undefined
    }
    const url = 'http://localhost:1/secret'
    for (const bad of [
      { rpc: [], inbox }, { rpc: 'ws://localhost/', inbox }, { rpc: 'ftp://x/', inbox }, { rpc: 'no url', inbox }, { rpc: [url, url], inbox }, { rpc: url, inbox: '0x12' },
      { rpc: url, inbox, quorum: 2 }, { rpc: url, inbox, quorum: 0 }, { rpc: url, inbox, handoverSlots: 33 }, { rpc: url, inbox, fallbackSigner: 'all' as never },
      { rpc: url, inbox, confirmations: 'soon' as never }, { rpc: url, inbox, callWithin: 0 }, { rpc: url, inbox, genesis: -1 },
    ]) expect(codeOf(bad), JSON.stringify(bad)).equal('bad_config')
    const l1 = started()
    const { kit, figures } = await room(l1, { kit: testKit(), endpoints: { 'host:8545': l1.call } })
    expect((await figures()).endpoints.map(({ name }) => name)).deep.equal(['host:8545'])
    await kit.stop()
  })
})
