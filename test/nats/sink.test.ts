import { expect } from 'chai'
import { sinkContract } from '../../src/actors/sink/contract.js'
import { StageNode } from '../sink/stage.js'
import { FoldingConsumer, Place } from './room.js'
import { NatsServer } from './server.js'

describe('nats: the sink and its consumer, with a real server', function () {
  this.timeout(120_000)
  let server: NatsServer
  const nodes: StageNode[] = []
  const start = async (options = {}): Promise<StageNode> => {
    const node = await StageNode.start(options)
    nodes.push(node)
    return node
  }
  before(async () => { server = await NatsServer.start() })
  afterEach(async () => { await Promise.all(nodes.splice(0).map(node => node.stop())) })
  after(async () => { await server.stop() })

  for (const { title, run } of sinkContract(() => new Place(server).sink())) it(`the contract: ${title}`, run)

  it('what is stored, then what comes, and rewinds: the consumer folds the same chain', async () => {
    const [node, place] = [await start(), new Place(server)]
    await node.append(500)
    const running = node.sink(place.sink())
    const consumer = new FoldingConsumer(place)
    await consumer.has(node)
    await node.append(5)
    await node.rewind(490n)
    await node.append(30, 1)
    await consumer.has(node)
    expect(consumer.fold.complaints).to.deep.equal([])
    expect(await running.figures()).to.include({ state: 'writing', failing: undefined, writer: 1, height: 520n })
    await consumer.leave()
  })
})
