import { ENR } from '@chainsafe/enr'
import { expect } from 'chai'
import { ChainMaker, KEY, TestNet } from '../support/nodes.js'
import type { TestNode } from '../support/nodes.js'
import { realTransports } from '../support/transport.js'
import { until } from '../support/until.js'

const suite = realTransports ? describe : describe.skip
const hurry = { lookupEvery: 500, lookupEveryUntilEnough: 100, saveAfter: 50, retry: { firstMs: 200 } }

suite('discovery in whole nodes (udp, tcp)', function () {
  let net: TestNet
  beforeEach(() => { net = new TestNet('tcp') })
  afterEach(async () => net.stop())

  const start = async (bootnodes: readonly string[], dataDir?: string): Promise<TestNode> =>
    net.start({ signing: { key: KEY, unprotected: true }, ...dataDir === undefined ? {} : { dataDir }, discovery: { ...hurry, bootnodes } })
  const enrOf = async ({ service }: TestNode): Promise<string> => (await service.enr())!

  it('H16: four nodes with one bootnode form a mesh in which a block reaches all', async () => {
    const first = await start([])
    const bootnodes = [await enrOf(first), 'enr:nonsense']
    const nodes = [first, ...await Promise.all([1, 2, 3].map(async () => start(bootnodes)))]
    await Promise.all(nodes.map(async node => node.meshed(3)))
    const maker = await ChainMaker.create()
    const { commitment, txList } = maker.block()
    await nodes[3]!.service.publishTxList(txList)
    await nodes[3]!.service.publishCommitment(commitment)
    await Promise.all(nodes.map(async node => node.headIs(commitment.preconf.blockNumber)))
    for (const node of nodes.slice(1)) expect(node.of('bootnodeFailed').map(({ bootnode }) => bootnode)).to.include('enr:nonsense')
    const record = ENR.decodeTxt(await enrOf(nodes[1]!))
    expect((await nodes[1]!.service.listenAddresses())[0]).to.include(`/tcp/${record.tcp}/`)
  })

  it('H23: a node that is started again finds its peers without the bootnode, under the same ENR key and a higher number', async () => {
    const first = await start([])
    const bootnodes = [await enrOf(first)]
    const folder = await net.folder()
    const [second, before] = [await start(bootnodes), await start(bootnodes, folder)]
    await before.meshed(2)
    // Who dialled us is come back to once its record is proved.
    await until(async () => (await before.service.figures()).discovery?.remembered === 2, 'both remembered')
    const record = ENR.decodeTxt(await enrOf(before))
    await before.service.stop()
    await first.service.stop()
    const again = await start(bootnodes, folder)
    await again.meshed(1)
    const peers = await again.service.peers()
    const [address] = await second.service.listenAddresses()
    await until(() => address!.endsWith(peers[0]!.peer), 'the one that is left')
    const now = ENR.decodeTxt(await enrOf(again))
    expect(now.nodeId).to.equal(record.nodeId)
    expect(now.seq > record.seq).to.equal(true)
  })
})
