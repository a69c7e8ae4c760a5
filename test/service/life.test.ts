import { expect } from 'chai'
import { ServiceError } from '../../src/index.js'
import { KEY, ChainMaker, TestNet } from '../support/nodes.js'

const failure = async (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined, (error: unknown) => error)

describe('the life of a service', () => {
  let net: TestNet
  beforeEach(() => { net = new TestNet('memory') })
  afterEach(async () => { await net.stop() })

  it('stop twice is one stop; then every reader ends and every call says so', async () => {
    const { service } = await net.start({ signing: { key: KEY, unprotected: true } })
    const reading = (async () => { for await (const item of service.blocks({ from: 0n })) void item })()
    expect(service.stop()).to.equal(service.stop())
    await service.stop()
    await reading
    expect(await service.subscribe().next()).to.have.property('done', true)
    for await (const item of service.blocks({ from: 0n })) expect.fail(item.kind)
    expect(await failure(service.publishTxList(Uint8Array.of(1)))).to.be.instanceOf(ServiceError).that.includes({ code: 'stopped' })
    expect(() => service.sync()).to.throw(ServiceError).that.includes({ code: 'stopped' })
    expect(await failure(service.peers())).to.include({ code: 'closed' })
    expect(await service.health()).to.have.property('status', 'stopping')
  })

  it('whatever is published while it stops is answered: with its result, or a code', async () => {
    const { service } = await net.start({ signing: { key: KEY, unprotected: true } })
    const { commitment, txList } = (await ChainMaker.create()).block()
    const answers = [service.publishTxList(txList), service.publishCommitment(commitment)].map(failure)
    await service.stop()
    for (const error of await Promise.all(answers)) if (error !== undefined) expect(error).to.have.property('code', 'stopped')
  })
})
