import { expect } from 'chai'
import { until } from '../support/until.js'
import { ChainMaker, KEY, TestNet } from '../support/nodes.js'

/** What an application does with the service, in ways that once made it stumble. */
describe('the service and its callers', () => {
  let net: TestNet
  beforeEach(() => { net = new TestNet('memory') })
  afterEach(() => net.stop())

  it('one signal for many calls at once is no leak that Node warns of', async () => {
    const warnings: string[] = []
    const note = ({ name }: Error): void => { warnings.push(name) }
    process.on('warning', note)
    try {
      const one = await net.start({ discovery: false, signing: { key: KEY, unprotected: true } })
      const other = await net.start({ discovery: false }, [one])
      await one.meshed()
      await other.meshed()
      const controller = new AbortController()
      const { signal } = controller
      const peer = one.service.peerId
      const streams = Array.from({ length: 20 }, () => other.service.blocks({ from: 1_000n, signal }))
      const work = [
        ...streams.map(async stream => stream.next().catch(() => undefined)),
        ...Array.from({ length: 20 }, async () => other.service.subscribe({ signal }).next().catch(() => undefined)),
        ...Array.from({ length: 20 }, async () => other.service.requestHead({ peer, signal }).catch(() => undefined)),
        ...Array.from({ length: 12 }, async (_, n) => other.service.publishTxList(new Uint8Array(100).fill(n + 1), { signal }).catch(() => undefined)),
        (async () => { await other.service.sync({ signal }) })().catch(() => undefined),
      ]
      await new Promise(setImmediate)
      controller.abort()
      await Promise.all(work)
      await new Promise(setImmediate)
      expect(warnings).to.deep.equal([])
    } finally {
      process.off('warning', note)
    }
  })

  it('H83: a txlist or a commitment that is published again succeeds, and says that it was known', async () => {
    const one = await net.start({ discovery: false, signing: { key: KEY, unprotected: true } })
    const other = await net.start({ discovery: false }, [one])
    await one.meshed()
    await other.meshed()
    const { commitment, txList } = (await ChainMaker.create()).block()
    const first = await one.service.publishTxList(txList)
    expect(first).to.include({ known: false, recipients: 1 })
    const again = await one.service.publishTxList(txList)
    expect(again).to.include({ known: true, recipients: 0 })
    expect(again.hash).to.deep.equal(first.hash)
    expect(await one.service.publishCommitment(commitment)).to.include({ known: false, recipients: 1 })
    expect(await one.service.publishCommitment(commitment)).to.include({ known: true, stored: true })
    // what came from another is known too
    await until(async () => (await other.service.head()).blockNumber === 1_000n, 'the other has it')
    expect(await other.service.publishTxList(txList)).to.include({ known: true })
  })

  it('H80: a static peer that cannot be reached is in the health, with the reason', async () => {
    const tcp = new TestNet('tcp')
    const warned: string[] = []
    const say = (text: string) => (_: object, message: string): void => { if (text === 'warn') warned.push(message) }
    const log = { trace: say('trace'), debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error'), child: () => log }
    try {
      const address = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEhyxoc4pATtS7iJkJ8DL2AfyhPhaFBJDDNNrcf4RJwk4'
      const node = await tcp.start({ discovery: false, staticPeers: [address], log })
      const ailment = await until(async () => (await node.service.health()).ailments.find(({ code }) => code === 'static_peer_unreached'), 'an ailment')
      expect(ailment.message).to.include(address).and.include('ECONNREFUSED')
      expect(warned.filter(text => text.startsWith('cannot connect to a static peer'))).to.have.length(1)
    } finally {
      await tcp.stop()
    }
  })
})
