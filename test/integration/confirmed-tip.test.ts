import { expect } from 'chai'
import { P2pService, confirmationsFromL2, scheduleFromSigners } from '../../src/index.js'
import { L2StandIn } from '../../src/cli/devnet/l1/l2-stand-in.js'
import { readinessOf } from '../../src/operate/readiness.js'
import { StdioNode, describeProcesses } from '../cli/process.js'
import { until } from '../support/until.js'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const SIGNER = `0x${'11'.repeat(20)}`

describe('a node and the L2 client that says what L1 has', () => {
  let l2: L2StandIn
  beforeEach(async () => { l2 = await L2StandIn.start(167_000n) })
  afterEach(async () => { await l2.close() })

  it('L10 confirms what L1 has, goes no step back, and says so when nobody tells it any more', async () => {
    const node = await P2pService.start({
      listen: LOOPBACK, discovery: false, schedule: scheduleFromSigners([SIGNER]), confirmations: confirmationsFromL2({ rpc: l2.url, pollEvery: 50, staleAfter: 2_000 }),
    })
    const told: string[] = []
    const events = node.events
    void (async () => { for await (const event of events) if (event.type.startsWith('tip')) told.push(event.type === 'tipWentBack' ? `${event.from} to ${event.to}` : event.type === 'tipFresh' ? String(event.fresh) : '') })()
    const tip = async (): Promise<bigint | undefined> => (await node.figures()).chain?.confirmedTip?.blockNumber
    try {
      await until(async () => (await node.figures()).confirmations?.fresh, 'the client is read')
      expect(await tip()).equal(undefined)
      for (const block of [1_000n, 1_001n, 1_500n]) {
        l2.confirmed = block
        await until(async () => await tip() === block, `block ${block} is confirmed`)
      }
      l2.confirmed = 1_400n
      await until(() => told.includes('1500 to 1400'), 'the step back is told')
      expect(await tip()).equal(1_500n)
      expect((await node.figures()).confirmations).deep.include({ confirmed: 1_500n, wentBack: 1 })
      expect((await readinessOf(node)).parts.confirmations.ready).equal(true)
      await l2.close()
      await until(async () => (await node.health()).ailments.some(({ code }) => code === 'tip_stale'), 'nobody tells any more')
      expect((await readinessOf(node)).parts.confirmations).deep.include({ ready: false })
      expect(await tip()).equal(1_500n)
      expect((await node.figures()).confirmations?.failing?.code).equal('rpc_failed')
    } finally {
      await node.stop()
    }
  })

  it('L10 a client of another chain confirms nothing', async () => {
    const other = await L2StandIn.start(1n)
    other.confirmed = 9_999n
    const node = await P2pService.start({ listen: LOOPBACK, discovery: false, schedule: scheduleFromSigners([SIGNER]), confirmations: confirmationsFromL2({ rpc: other.url, pollEvery: 50 }) })
    try {
      const ailment = await until(async () => (await node.health()).ailments.find(({ code, message }) => code === 'tip_unread' && message.includes('chain 1')), 'it is refused')
      expect(ailment.message).includes('and not of 167000')
      expect((await node.figures()).chain?.confirmedTip).equal(undefined)
    } finally {
      await node.stop()
      await other.close()
    }
  })
})

describeProcesses('the command line and the L2 client that says what L1 has', () => {
  it('L10 run --l2.rpc URL --l2.confirm needs no other confirmed tip', async () => {
    const l2 = await L2StandIn.start(167_000n)
    l2.confirmed = 1_000n
    try {
      const node = await StdioNode.start(['--no-discovery', '--signer', SIGNER, '--l2.rpc', l2.url, '--l2.confirm'])
      expect(await node.event('tipConfirmed')).deep.include({ blockNumber: '1000', l1Block: '1' })
      const { chain, confirmations } = await node.call('figures') as { chain: { confirmedTip: { blockNumber: unknown } }; confirmations: { fresh: boolean } }
      expect([String(chain.confirmedTip.blockNumber), confirmations.fresh]).deep.equal(['1000', true])
      await node.call('stop')
      expect((await node.program.exits()).code).equal(0)
      expect(node.wrong).deep.equal([])
      expect(node.program.stderr).not.includes('no --confirmed-tip')
    } finally {
      await l2.close()
    }
  })
})
