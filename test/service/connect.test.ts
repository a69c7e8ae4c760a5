import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MessageChannel } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { expect } from 'chai'
import { ServiceError, connectService, exposeService } from '../../src/index.js'
import type { ConnectedService, Lagged, NetworkEvent, P2pService } from '../../src/index.js'
import { ChainMaker, KEY, TIP, TestNet } from '../support/nodes.js'
import { until } from '../support/until.js'

const failure = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined, (error: unknown) => error)

/** A service that answers as the test says. */
function fake(parts: object): P2pService { return parts as P2pService }

function connected(service: P2pService): ConnectedService {
  const { port1, port2 } = new MessageChannel()
  exposeService(service, port1)
  return connectService(port2)
}

describe('a service that is used from another thread', function () {
  this.timeout(60_000)
  let net: TestNet
  const open: ConnectedService[] = []
  beforeEach(() => { net = new TestNet('memory') })
  afterEach(async () => {
    for (const each of open.splice(0)) each.close()
    await net.stop()
  })
  const use = (service: P2pService): ConnectedService => { const made = connected(service); open.push(made); return made }

  it('the example: calls, events and a typed error, in a thread of its own', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../examples/used-from-a-thread.js', import.meta.url))], { timeout: 50_000 })
    expect(stdout.trimEnd().split('\n')).to.deep.equal(['peers 0', 'published txLists', 'refused: discovery_off'])
  })

  it('publishes, asks, streams blocks, and gets errors of their classes', async () => {
    const { service } = await net.start({ signing: { key: KEY, unprotected: true } })
    const remote = use(service)
    const events: string[] = []
    // The end of the connection ends it, with an error.
    void (async () => { for await (const event of remote.subscribe()) events.push(event.type) })().catch(() => undefined)
    const chain = await ChainMaker.create()
    for (let n = 0; n < 3; n++) {
      const { txList, commitment } = chain.block()
      await remote.publishTxList(txList)
      expect((await remote.publishCommitment(commitment)).stored).to.equal(true)
    }
    expect((await remote.head()).blockNumber).to.equal(TIP + 3n)
    const heights: bigint[] = []
    for await (const item of remote.blocks({ from: TIP + 1n })) {
      if (item.kind === 'block') heights.push(item.blockNumber)
      if (heights.length === 3) break
    }
    expect(heights).to.deep.equal([TIP + 1n, TIP + 2n, TIP + 3n])
    expect(await failure(remote.addBootnode('enr:-x'))).to.be.instanceOf(ServiceError).and.include({ code: 'discovery_off' })
    await until(() => events.includes('published') && events.includes('stored'), 'the events')
  })

  it('a slow reader is told how many events it missed, and nothing more is kept for it', async () => {
    const { service } = await net.start({ signing: { key: KEY, unprotected: true }, eventCapacity: 8 })
    void service.subscribe()
    const remote = use(service)
    const reading = remote.subscribe()
    const first = reading.next()
    const chain = await ChainMaker.create()
    for (let n = 0; n < 30; n++) {
      const { txList, commitment } = chain.block()
      await service.publishTxList(txList)
      await service.publishCommitment(commitment)
    }
    const got: (NetworkEvent | Lagged)[] = [(await first).value as NetworkEvent]
    await service.stop()
    for await (const event of reading) got.push(event)
    const missed = got.reduce((sum, event) => event.type === 'lagged' ? sum + event.count : sum, 0)
    expect(missed).to.be.greaterThan(50)
    expect(got.filter(({ type }) => type !== 'lagged').length).to.be.at.most(1 + 2 * 8)
  })

  it('no call is lost when garbage is collected, though nobody holds the service', async () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const answers: ((head: object) => void)[] = []
    const ports: MessagePort[] = []
    const ask = (): Promise<unknown> => {
      const { port1, port2 } = new MessageChannel()
      exposeService(fake({ head: () => new Promise(resolve => { answers.push(resolve) }) }), port1)
      ports.push(port1)
      return connectService(port2).head()
    }
    const asked = Array.from({ length: 20 }, ask)
    for (let n = 0; n < 5; n++) { gc(); await new Promise(resolve => { setTimeout(resolve, 10) }) }
    await until(() => answers.length === 20, 'all calls')
    for (const answer of answers) answer({ blockNumber: 7n })
    expect(await Promise.all(asked)).to.deep.equal(Array.from({ length: 20 }, () => ({ blockNumber: 7n })))
    for (const port of ports) port.close()
  })

  it('a signal aborts the call in the other thread; the end of the port ends calls and streams on both sides', async () => {
    let aborted = 0
    let returned = 0
    const remote = use(fake({
      requestHead: ({ signal }: { readonly signal: AbortSignal }) => new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => { aborted++; reject(new ServiceError('stopped', 'aborted')) })
      }),
      subscribe: () => ({ next: () => new Promise(() => undefined), return: async () => { returned++; return Promise.resolve({ done: true, value: undefined }) } }),
    }))
    const controller = new AbortController()
    const cancelled = failure(remote.requestHead({ signal: controller.signal }))
    await new Promise(resolve => { setTimeout(resolve, 20) })
    controller.abort()
    expect(await cancelled).to.be.instanceOf(ServiceError)
    expect(aborted).to.equal(1)
    const pending = failure(remote.requestHead({ signal: new AbortController().signal }))
    const next = failure(remote.subscribe().next())
    await new Promise(resolve => { setTimeout(resolve, 20) })
    remote.close()
    for (const error of [await pending, await next, await failure(remote.head())]) expect(error).to.be.instanceOf(ServiceError).and.include({ code: 'stopped' })
    await until(() => aborted === 2 && returned === 1, 'both ended on the other side')
  })

  it('streams that are left are let go, and what one connection may have is bounded', async () => {
    let returned = 0
    const service = fake({ subscribe: () => ({ next: async () => Promise.resolve({ done: false, value: { type: 'x' } }), return: async () => { returned++; return Promise.resolve({ done: true, value: undefined }) } }) })
    const remote = use(service)
    for (let n = 0; n < 100; n++) for await (const event of remote.subscribe()) { expect(event).to.deep.equal({ type: 'x' }); break }
    await until(() => returned === 100, 'all of them')
    const streams = Array.from({ length: 65 }, () => remote.subscribe())
    const outcomes = await Promise.all(streams.map(each => failure(each.next())))
    expect(outcomes.filter(error => error !== undefined)).to.have.length(1)
    expect(outcomes.at(-1)).to.be.instanceOf(ServiceError).and.include({ code: 'overloaded' })
  })
})
