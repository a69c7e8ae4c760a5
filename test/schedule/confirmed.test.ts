import { expect } from 'chai'
import { ChainError } from '../../src/actors/chain/index.js'
import type { ConfirmedTip } from '../../src/actors/chain/ingress.js'
import { seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { ScheduleError, confirmations, confirmationsFromL2 } from '../../src/actors/schedule/index.js'
import type { L2Options } from '../../src/actors/schedule/index.js'
import { Confirmations } from '../../src/actors/schedule/confirmed/ingress.js'
import type { ConfirmationEvent } from '../../src/actors/schedule/confirmed/ingress.js'
import type { Call } from '../../src/actors/schedule/rpc.js'

const CHAIN_ID = 167_000n
const hash = `0x${'ab'.repeat(32)}`
const origin = (block: unknown, l1: unknown = '0x10') => ({ blockID: block, l2BlockHash: hash, l1BlockHeight: l1, l1BlockHash: hash })

/** An L2 execution client: answers a method with what it has of that name, or with what that gives. */
const client = (answers: { head?: unknown; chain?: unknown }): Call => async method => {
  if (method === 'eth_chainId') return 'chain' in answers ? given(answers.chain) : '0x28c58'
  if (method === 'taiko_headL1Origin') return given(answers.head)
  throw new ScheduleError('rpc_refused', 'no such method', -32_601)
}
const given = (answer: unknown): unknown => typeof answer === 'function' ? (answer as () => unknown)() : answer ?? null
const fails = (code: 'rpc_failed' | 'rpc_refused', message = 'injected') => () => { throw new ScheduleError(code, message) }

/** A chain that takes a tip as the chain room does. */
class FakeChain {
  readonly taken: bigint[] = []
  failing = false
  tip: ConfirmedTip | undefined
  async standing() { return { confirmedTip: this.tip } as never }
  async confirm(tip: ConfirmedTip) {
    if (this.failing) throw new ChainError('busy', 'injected')
    if (this.tip !== undefined && tip.blockNumber < this.tip.blockNumber) throw new ChainError('tip_below_present', 'injected', tip.blockNumber, this.tip.blockNumber)
    this.tip = tip
    this.taken.push(tip.blockNumber)
  }
}

async function follow(clients: readonly Call[], { chain = new FakeChain(), ...options }: Partial<Omit<L2Options, 'rpc'>> & { readonly chain?: FakeChain } = {}) {
  const kit = testKit()
  const events = kit.probe<ConfirmationEvent>()
  const { config, open } = confirmationsFromL2({ rpc: clients.map((_client, at) => `http://c${at}/`), open: url => clients[Number(new URL(url).hostname.slice(1))]!, ...options })
  const handle = new Confirmations(await kit.spawn(() => confirmations({ chain, events, chainId: CHAIN_ID, open }, config)))
  await kit.settle()
  return {
    kit, chain, events,
    figures: async () => {
      const asked = handle.figures(seconds(1))
      await kit.settle()
      return asked
    },
  }
}

describe('the confirmed tip, by L2 clients', () => {
  it('L10 what L1 has is confirmed, block by block, and told; quiet, nothing is', async () => {
    const l2 = { head: origin('0x64') as unknown }
    const { kit, chain, events, figures } = await follow([client(l2)])
    expect(chain.taken).deep.equal([100n])
    events.expect('tipFresh', { fresh: true })
    events.expect('tipConfirmed', { blockNumber: 100n, l1Block: 16n })
    await kit.advance(seconds(60))
    expect(chain.taken).deep.equal([100n])
    l2.head = origin('0x6e', '0x11')
    await kit.advance(seconds(4))
    expect(chain.taken).deep.equal([100n, 110n])
    events.expect('tipConfirmed', { blockNumber: 110n, l1Block: 17n })
    events.expectNone('tipWentBack')
    expect(await figures()).deep.include({ tip: { blockNumber: 110n, l1Block: 17n }, confirmed: 110n, fresh: true, wentBack: 0, failing: undefined })
    await kit.stop()
  })

  it('L10 one call a look, and the chain id once', async () => {
    const calls: string[] = []
    const l2 = client({ head: origin(100) })
    const { kit } = await follow([async (method, params, signal) => { calls.push(method); return l2(method, params, signal) }])
    await kit.advance(seconds(40))
    expect(calls.filter(each => each === 'eth_chainId')).lengthOf(1)
    expect(calls.length).within(10, 12)
    await kit.stop()
  })

  it('L10 a number may be hex, decimal text or a number; what is none, or lacks its form, confirms nothing', async () => {
    for (const good of ['0x3e8', '1000', 1_000]) {
      const { kit, chain } = await follow([client({ head: origin(good) })])
      expect(chain.taken, String(good)).deep.equal([1_000n])
      await kit.stop()
    }
    const bad = [
      ...[-1, 1.5, 2 ** 60, '', '0x', '-5', '1e3', 'abc', true, [], '0x1ffffffffffffffffff', `${2n ** 64n - 1n}`].map(block => origin(block)),
      { blockID: '0x10' }, { ...origin('0x10'), l2BlockHash: '0x12' }, origin('0x10', 'x'), 'text', 7, [], true,
    ]
    for (const answer of bad) {
      const { kit, chain, figures } = await follow([client({ head: answer })])
      await kit.advance(seconds(2))
      expect(chain.taken, JSON.stringify(answer)).deep.equal([])
      expect((await figures()).failing?.code, JSON.stringify(answer)).equal('bad_response')
      await kit.stop()
    }
  })

  it('L10 a client that has none yet, or points to a block that is but a preconfirmation, is well and confirms nothing', async () => {
    for (const none of [null, fails('rpc_refused', 'taiko_headL1Origin: not found'), origin('0x64', null), origin('0x64', '0x0'), origin('0x64', 0), { ...origin('0x64'), l1BlockHeight: undefined }]) {
      const { kit, chain, figures } = await follow([client({ head: none })])
      await kit.advance(seconds(20))
      expect(chain.taken).deep.equal([])
      expect(await figures()).deep.include({ tip: undefined, fresh: true, failing: undefined })
      await kit.stop()
    }
  })

  it('L10 a tip that goes back is an event, once, and moves nothing; when it rises above what is confirmed, it counts again', async () => {
    const l2 = { head: origin(110) as unknown }
    const { kit, chain, events, figures } = await follow([client(l2)])
    l2.head = origin(105)
    await kit.advance(seconds(30))
    events.expect('tipWentBack', { from: 110n, to: 105n })
    events.expectNone('tipWentBack')
    l2.head = origin(109)
    await kit.advance(seconds(10))
    l2.head = origin(107)
    await kit.advance(seconds(10))
    events.expect('tipWentBack', { from: 109n, to: 107n })
    expect(chain.taken).deep.equal([110n])
    expect(await figures(), 'chain is told of no step back').deep.include({ confirmed: 110n, wentBack: 2, failing: undefined })
    l2.head = origin(111)
    await kit.advance(seconds(5))
    expect(chain.taken).deep.equal([110n, 111n])
    await kit.stop()
  })

  it('L10 a client that is behind what is confirmed here is told of; the same height takes no hash away', async () => {
    const tip = { blockNumber: 100n, preconfirmationHash: new Uint8Array(32).fill(7) }
    const chain = Object.assign(new FakeChain(), { tip })
    const l2 = { head: origin(100) as unknown }
    const { kit, events } = await follow([client(l2)], { chain })
    await kit.advance(seconds(10))
    expect(chain.tip).equal(tip)
    events.expectNone('tipWentBack')
    await kit.stop()
    const behind = await follow([client({ head: origin(90) })], { chain })
    behind.events.expect('tipWentBack', { from: 100n, to: 90n })
    expect(chain.taken).deep.equal([])
    await behind.kit.stop()
  })

  it('L10 an application that confirms beside it is not undone', async () => {
    const l2 = { head: origin(100) as unknown }
    const { kit, chain } = await follow([client(l2)])
    chain.tip = { blockNumber: 120n }
    l2.head = origin(110)
    await kit.advance(seconds(10))
    expect(chain.taken).deep.equal([100n])
    l2.head = origin(121)
    await kit.advance(seconds(5))
    expect(chain.taken).deep.equal([100n, 121n])
    await kit.stop()
  })

  it('L10 one of three that lies high, lies low, stands still, hangs or dies moves nothing, and holds nothing up', async () => {
    const liars: Record<string, Call> = {
      high: client({ head: origin('0xffffffff') }), low: client({ head: origin(1) }), still: client({ head: origin(100) }),
      hangs: () => new Promise<never>(() => undefined), dies: async () => fails('rpc_failed')(), nonsense: client({ head: 'no' }), other: client({ head: origin(9_999), chain: '0x1' }),
    }
    for (const [name, liar] of Object.entries(liars)) {
      for (const place of [0, 1, 2]) {
        const l2 = { head: origin(100) as unknown }
        const clients = [client(l2), client(l2)]
        clients.splice(place, 0, liar)
        const { kit, chain, events } = await follow(clients)
        await kit.advance(seconds(6))
        l2.head = origin(110)
        await kit.advance(seconds(15))
        expect(chain.taken, `${name} at ${place}`).deep.equal([100n, 110n])
        events.expectNone('tipWentBack')
        await kit.stop()
      }
    }
  })

  it('L10 of two that have to agree, the lower one counts', async () => {
    const [a, b] = [{ head: origin(120) as unknown }, { head: origin(100) as unknown }]
    const { kit, chain } = await follow([client(a), client(b)], { quorum: 2 })
    expect(chain.taken).deep.equal([100n])
    b.head = origin(130)
    await kit.advance(seconds(5))
    expect(chain.taken).deep.equal([100n, 120n])
    await kit.stop()
  })

  it('L10 with a quorum of one the next client is asked where the first one fails, and what one of another chain says is not ours', async () => {
    const foreign = await follow([client({ head: origin(9_999), chain: '0x1' })])
    await foreign.kit.advance(seconds(20))
    expect(foreign.chain.taken).deep.equal([])
    expect((await foreign.figures()).failing?.code).equal('bad_response')
    await foreign.kit.stop()
    // one that serves the origin alone
    const bare = await follow([client({ head: origin(100), chain: fails('rpc_refused') })])
    expect(bare.chain.taken).deep.equal([100n])
    await bare.kit.stop()
    const first = await follow([client({ head: origin(100) }), client({ head: origin(9_999) })], { quorum: 1 })
    await first.kit.advance(seconds(10))
    expect(first.chain.taken, 'the first one is trusted, and no other').deep.equal([100n])
    await first.kit.stop()
    const second = await follow([async () => fails('rpc_failed')(), client({ head: origin(100) })])
    await second.kit.advance(seconds(2))
    expect(second.chain.taken).deep.equal([100n])
    await second.kit.stop()
  })

  it('L10 clients that are gone: told once, asked less and less often, and followed again', async () => {
    let [gone, asked] = [false, 0]
    const l2 = client({ head: () => origin(asked > 0 ? 110 : 100) })
    const { kit, chain, events, figures } = await follow([async (method, params, signal) => {
      if (!gone) return l2(method, params, signal)
      asked++
      return fails('rpc_failed')()
    }])
    events.expect('tipFresh', { fresh: true })
    gone = true
    await kit.advance(seconds(120))
    events.expect('tipFresh', { fresh: false })
    events.expectNone('tipFresh')
    expect(asked).within(20, 60)
    expect(await figures()).deep.include({ fresh: false, confirmed: 100n })
    expect((await figures()).failing?.code).equal('rpc_failed')
    gone = false
    await kit.advance(seconds(10))
    events.expect('tipFresh', { fresh: true })
    expect(chain.taken).deep.equal([100n, 110n])
    await kit.stop()
  })

  it('L10 a chain that does not take it is told again', async () => {
    const chain = new FakeChain()
    chain.failing = true
    const { kit, figures } = await follow([client({ head: origin(100) })], { chain })
    await kit.advance(seconds(3))
    expect((await figures()).failing?.code).equal('busy')
    chain.failing = false
    await kit.advance(seconds(10))
    expect(chain.taken).deep.equal([100n])
    expect((await figures()).failing).equal(undefined)
    await kit.stop()
  })

  it('L10 a wrong option is told before anything starts, without the URL', () => {
    const errorOf = (options: L2Options): ScheduleError | undefined => {
      try { confirmationsFromL2(options) } catch (error) { return error as ScheduleError }
      return undefined
    }
    const rpc = 'http://localhost:1/secret'
    for (const bad of [{ rpc: [] }, { rpc: 'ws://localhost/secret' }, { rpc: ['http://a/', 'ws://b/'] }, { rpc: 'secret' }, { rpc: [rpc, rpc] }, { rpc, quorum: 2 }, { rpc, quorum: 0 }, { rpc, pollEvery: 0 }, { rpc, staleAfter: -1 }]) {
      const error = errorOf(bad)
      expect(error?.code, JSON.stringify(bad)).equal('bad_config')
      expect(`${error?.message} ${String(error?.value)}`).not.includes('secret')
    }
    expect(confirmationsFromL2({ rpc: ['http://a/', 'http://b/', 'http://c/'] }).config.quorum).equal(2)
  })
})
