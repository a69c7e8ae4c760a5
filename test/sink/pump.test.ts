import { expect } from 'chai'
import { sinkContract } from '../../src/actors/sink/contract.js'
import { MemorySink } from '../../src/actors/sink/memory.js'
import { SinkError } from '../../src/actors/sink/errors.js'
import { itemOf, writerOf } from '../../src/actors/sink/message.js'
import { until } from '../support/until.js'
import { CHAIN_ID, StageNode, foldOf, sameChain } from './stage.js'

describe('sink: the contract, in memory', () => {
  for (const { title, run } of sinkContract(() => new MemorySink())) it(title, run)
})

describe('sink: the ordered stream goes into it', () => {
  const nodes: StageNode[] = []
  const start = async (options = {}): Promise<StageNode> => {
    const node = await StageNode.start(options)
    nodes.push(node)
    return node
  }
  afterEach(async () => { await Promise.all(nodes.splice(0).map(node => node.stop())) })

  const arrived = (sink: MemorySink, node: StageNode): Promise<true> =>
    until(() => sameChain(foldOf(sink.messages), node), 'the sink has the chain') as Promise<true>

  it('what is stored, then what comes, and rewinds; each once', async () => {
    const [node, sink] = [await start(), new MemorySink()]
    await node.append(300)
    const running = node.sink(sink)
    await arrived(sink, node)
    await node.append(5)
    await node.rewind(290n)
    await node.append(20, 1)
    await arrived(sink, node)
    expect(foldOf(sink.messages).complaints).to.deep.equal([])
    expect(sink.messages.filter(({ id }) => id.endsWith(':r')).length).to.be.at.most(1)
    expect(new Set(sink.messages.map(({ id }) => id)).size).to.equal(sink.messages.length)
    expect(await running.figures()).to.include({ state: 'writing', failing: undefined, writer: 1, height: 310n, inFlight: 0 })
    void CHAIN_ID
    expect(itemOf(sink.messages.at(-1)!)).to.include({ kind: 'block', blockNumber: 310n })
    expect(writerOf(sink.messages.at(-1)!)).to.equal(1)
    expect(new SinkError('full', 'x').code).to.equal('full')
  })
})
