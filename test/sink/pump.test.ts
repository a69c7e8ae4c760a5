import { expect } from 'chai'
import { cursorOf } from '../../src/protocol/cursor.js'
import { sinkContract } from '../../src/actors/sink/contract.js'
import { sinkSettings } from '../../src/actors/sink/config.js'
import { SinkError } from '../../src/actors/sink/errors.js'
import { MemorySink } from '../../src/actors/sink/memory.js'
import { itemOf, messageOf, writerOf } from '../../src/actors/sink/message.js'
import type { SinkItem } from '../../src/actors/sink/message.js'
import { until } from '../support/until.js'
import { StageNode, foldOf, sameChain } from './stage.js'
import type { StageSink } from './stage.js'

describe('sink: the contract, in memory', () => {
  for (const { title, run } of sinkContract(() => new MemorySink())) it(title, run)

  it('fails a sink that is fenced by sequences alone, and one that writes what it refuses', async () => {
    const bySequence = sinkContract(() => without(({ sequence }) => ({ sequence, id: undefined })))
    expect(await failures(bySequence)).to.include('when one is refused, all behind it are: also where just one message of another writer came between')
    const byNothing = sinkContract(() => without((_expected, sink) => ({ sequence: sink.messages.length, id: undefined })))
    expect((await failures(byNothing)).length).to.be.greaterThan(3)
  })
})

describe('sink: the ordered stream goes into it', () => {
  const nodes: StageNode[] = []
  const start = async (blocks = 0): Promise<StageNode> => {
    const node = await StageNode.start()
    nodes.push(node)
    if (blocks > 0) await node.append(blocks)
    return node
  }
  afterEach(async () => { await Promise.all(nodes.splice(0).map(node => node.stop())) })

  const arrived = (sink: MemorySink, node: StageNode): Promise<unknown> =>
    until(() => sameChain(foldOf(sink.messages), node), 'the sink has the chain')
  const state = (sink: StageSink, wanted: string): Promise<unknown> => until(async () => (await sink.figures()).state === wanted, `it is ${wanted}`)

  it('what is stored, then what comes, and rewinds; each once', async () => {
    const [node, sink] = [await start(300), new MemorySink()]
    const running = node.sink(sink)
    await arrived(sink, node)
    await node.append(5)
    await node.rewind(290n)
    await node.append(20, 1)
    await arrived(sink, node)
    expect(foldOf(sink.messages).complaints).to.deep.equal([])
    expect(new Set(sink.messages.map(({ id }) => id)).size).to.equal(sink.messages.length)
    expect(await running.figures()).to.include({ state: 'writing', failing: undefined, writer: 1, height: 310n, inFlight: 0 })
  })

  it('while it takes nothing, nothing is read; then it goes on, and the ailment is over', async () => {
    const [node, sink] = [await start(10), new MemorySink()]
    let asked = 0
    const running = node.sink(sink, { ...node.source, blocks: options => { asked++; return node.source.blocks(options) } })
    await arrived(sink, node)
    sink.failing = new SinkError('full', 'there is no room')
    sink.lose()
    await until(async () => (await running.figures()).failing?.code === 'full', 'it says so')
    const before = asked
    await node.append(50)
    const { sessions } = await running.figures()
    await until(async () => (await running.figures()).sessions > sessions + 1, 'it has tried again')
    expect(asked).to.equal(before)
    sink.failing = undefined
    await arrived(sink, node)
    expect(await running.figures()).to.include({ failing: undefined, state: 'writing', writer: 1 })
  })

  it('a standby writes when the writer is silent, goes on by height and hash, and the one that comes back stands by', async () => {
    const [one, two, sink] = [await start(30), await start(), new MemorySink({ takeoverAfter: 200 })]
    await two.follow(one)
    const first = one.sink(sink)
    await arrived(sink, one)
    const second = two.sink(sink)
    await state(second, 'standby')
    await one.append(2)
    await arrived(sink, one)
    await first.stop()
    await two.append(4, 5)
    await arrived(sink, two)
    const { rewinds, complaints } = foldOf(sink.messages)
    expect({ rewinds, complaints }).to.deep.equal({ rewinds: 2, complaints: [] })
    expect(sink.messages.slice(-5).map(message => { const item = itemOf(message); return item.kind === 'block' ? item.blockNumber : item.kind }), 'the beginning aside, one rewind to where both were the same')
      .to.deep.equal(['rewind', 31n, 32n, 33n, 34n])
    expect(sink.messages.map(writerOf).at(-1)).to.equal(2)
    const again = one.sink(sink)
    await until(async () => ['standby', 'behind'].includes((await again.figures()).state), 'it stands by')
    expect((await again.figures()).published).to.equal(0)
  })

  it('a node that is behind what is written waits, and takes nothing back', async () => {
    const [one, two, sink] = [await start(40), await start(10), new MemorySink({ takeoverAfter: 100 })]
    const first = one.sink(sink)
    await arrived(sink, one)
    await first.stop()
    const second = two.sink(sink)
    await state(second, 'behind')
    expect(foldOf(sink.messages).rewinds).to.equal(1)
    await two.follow(one)
    await two.append(3)
    await arrived(sink, two)
    expect(foldOf(sink.messages).rewinds).to.equal(1)
  })

  it('a last message that is none of the stream: it says so, and writes nothing', async () => {
    const [node, sink] = [await start(3), new MemorySink()]
    sink.messages.push({ sequence: 1, id: 'x', headers: {}, payload: new Uint8Array() })
    const running = node.sink(sink)
    await until(async () => (await running.figures()).failing?.code === 'bad_message', 'it says so')
    expect(sink.messages.length).to.equal(1)
  })

  it('confirmed: up to the tip, never a rewind, and a conflict stops it', async () => {
    const [node, sink] = [await start(20), new MemorySink({ delivery: 'confirmed' })]
    node.tip = 5n
    const running = node.sink(sink)
    const heights = (): (bigint | string)[] => sink.messages.slice(1).map(message => { const item = itemOf(message); return item.kind === 'block' ? item.blockNumber : item.kind })
    const upTo = (height: bigint) => ['skipped', ...Array.from({ length: Number(height) }, (_, at) => BigInt(at) + 1n)]
    await until(() => sink.messages.length >= 7, 'five blocks')
    await node.rewind(8n)
    await node.append(10, 1)
    node.tip = 12n
    await until(() => sink.messages.length >= 14, 'twelve blocks')
    expect(heights()).to.deep.equal(upTo(12n))
    expect(foldOf(sink.messages).hashes).to.deep.equal(node.hashes.slice(0, 12))
    await node.rewind(9n)
    await node.append(10, 2)
    node.tip = 15n
    await until(async () => (await running.figures()).failing?.code === 'conflict', 'it says so')
    expect(heights()).to.deep.equal(upTo(12n))
  })

  it('items become messages and come back, in both encodings', async () => {
    const node = await start(3)
    const left = new AbortController()
    const items: SinkItem[] = []
    for await (const item of node.source.blocks({ from: 1n, withTxList: true, signal: left.signal })) {
      if (item.kind !== 'stalled') items.push(item)
      if (items.length === 3) left.abort()
    }
    const told = { store: '0102030405060708', number: 3 }
    const at = (tag: string): string => cursorOf({ blockNumber: -1n, hash: undefined, told }, tag)
    for (const item of [...items, { kind: 'rewind', to: -1n, reset: true, cursor: at('r') }, { kind: 'skipped', from: 0n, to: 4n, cursor: at('s') }] as const) {
      for (const encoding of ['ssz', 'json'] as const) expect(itemOf({ ...messageOf(item, 1, { encoding }), sequence: 1 })).to.deep.equal(item)
    }
    const message = messageOf(items[0]!, 1, { encoding: 'ssz' })
    for (const bad of [{ payload: message.payload.slice(0, 100) }, { headers: { ...message.headers, 'Preconf-Height': '7' } }, { headers: {} }]) {
      expect(() => itemOf({ ...message, sequence: 9, ...bad as object })).to.throw().that.includes({ code: 'bad_message', value: 9 })
    }
    for (const bad of [{ delivery: 'soon' }, { txLists: 'no' }, { encoding: 'xml' }, { from: -1n }, { inFlight: 0 }, { takeoverAfter: 1 }]) {
      expect(() => sinkSettings(bad as never), JSON.stringify(Object.keys(bad))).to.throw().that.includes({ code: 'bad_config' })
    }
  })
})

type Expected = Parameters<Awaited<ReturnType<MemorySink['open']>>['append']>[1]

/** A sink whose appends expect something else than they are told. */
function without(change: (expected: Expected, sink: MemorySink) => Expected): MemorySink {
  const sink = new MemorySink()
  const open = sink.open.bind(sink)
  sink.open = async () => {
    const session = await open()
    return { ...session, append: (message, expected) => session.append(message, change(expected, sink)) }
  }
  return sink
}

async function failures(trials: ReturnType<typeof sinkContract>): Promise<string[]> {
  const failed: string[] = []
  for (const { title, run } of trials) await run().catch(() => { failed.push(title) })
  return failed
}
