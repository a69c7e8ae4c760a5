import { expect } from 'chai'
import type { Hex } from '../../src/actors/schedule/facts.js'
import { rootNamed } from '../../src/cli/devnet/l1/dev-l1.js'
import { P2pService, scheduleFromL1, scheduleFromSigners, signerFromKey } from '../../src/index.js'
import type { NetworkEvent } from '../../src/index.js'
import { until } from '../support/until.js'
import { EPOCH, chain, proxy } from './room.js'

const KEYS = { alice: 'a1'.repeat(32), mallory: 'b2'.repeat(32) } as const
const addressOf = (name: keyof typeof KEYS): Hex => `0x${Buffer.from(signerFromKey(KEYS[name]).address).toString('hex')}`

/** What a service tells, from now on. */
function heard(service: P2pService): readonly NetworkEvent[] {
  const events: NetworkEvent[] = []
  void (async () => { for await (const event of service.events) if (event.type !== 'lagged') events.push(event) })()
  return events
}

describe('nodes that follow a real L1', () => {
  it('H05 H73 L9 a preconfer in its slot, a foreign key, a reorg that takes the slot away, an endpoint that lies, one that dies: nobody honest loses score', async () => {
    const { l1, epoch } = await chain('lookahead')
    const next = epoch + EPOCH
    const window = next + EPOCH - 12
    // three endpoints: one hides every log and forges every call, one will die
    const endpoints = [await proxy(l1.url, (method, result) => method === 'eth_getLogs' ? [] : method === 'eth_call' ? `0x${'00'.repeat(64)}` : result), await proxy(l1.url, (_method, result) => result), await proxy(l1.url, (_method, result) => result)]
    const services: P2pService[] = []
    const start = async (options: Partial<Parameters<typeof P2pService.start>[0]>): Promise<P2pService> => {
      const schedule = scheduleFromL1({ rpc: endpoints.map(({ url }) => url), inbox: l1.inbox, genesis: l1.genesis, pollEvery: 200, pollSoon: 200, staleAfter: 3_600_000 })
      const service = await P2pService.start({ listen: '/ip4/127.0.0.1/tcp/0', confirmedTip: { blockNumber: 999n }, discovery: false, network: { exemptSubnets: ['127.0.0.0/8'] }, schedule, ...options })
      services.push(service)
      return service
    }
    try {
      await l1.post(next, [{ time: window, committer: addressOf('alice'), root: rootNamed('alice') }])
      await l1.mineTo(epoch + 24)
      const follower = await start({})
      const staticPeers = await follower.listenAddresses()
      const heardByFollower = heard(follower)
      const alice = await start({ staticPeers, signing: { key: KEYS.alice, unprotected: true } })
      // whose own schedule lets her
      const mallory = await start({ staticPeers, signing: { key: KEYS.mallory, unprotected: true }, schedule: scheduleFromSigners([addressOf('mallory')]) })
      const ready = (): number => new Set(heardByFollower.flatMap(event => event.type === 'peerReady' ? [event.peer] : [])).size
      await until(() => ready() === 2, 'both are connected')
      const head = async (service: P2pService): Promise<string | undefined> => (await service.figures()).schedule?.head?.hash
      const followed = async (): Promise<void> => {
        const { hash } = await l1.head()
        for (const service of [follower, alice]) await until(async () => await head(service) === hash, 'L1 is followed')
      }
      await followed()

      const publish = async (by: P2pService, blockNumber: bigint, parent: Uint8Array): Promise<Uint8Array> => {
        const { hash } = await by.publishTxList(new Uint8Array(100).fill(Number(blockNumber % 256n)))
        const none = new Uint8Array(20)
        return (await by.publishCommitment({
          preconf: {
            eop: false, blockNumber, timestamp: BigInt(next) + blockNumber, gasLimit: 1n, coinbase: none, anchorBlockNumber: 1n, rawTxListHash: hash,
            parentPreconfirmationHash: parent, submissionWindowEnd: BigInt(window), proverAuth: none, proposalId: 1n,
          },
          slasherAddress: none,
        })).hash
      }
      await publish(alice, 1_000n, new Uint8Array(32))
      await until(() => heardByFollower.some(event => event.type === 'commitment' && event.blockNumber === 1_000n), 'her commitment is accepted')
      await publish(mallory, 1_000n, new Uint8Array(32))
      await until(() => heardByFollower.some(event => event.type === 'rejected' && event.from === mallory.peerId && event.reason === 'not_elected'), 'the foreign key is not elected')

      // the reorg takes the slot away, and gives it to somebody else
      await l1.reorg(1)
      await l1.post(next, [{ time: window, committer: addressOf('mallory'), root: rootNamed('mallory') }])
      await l1.mineTo((await l1.head()).time + 12)
      await followed()
      const row = (await follower.outlook.windows(window))?.find(({ to }) => to === window)
      expect(row?.signers).deep.equal([addressOf('mallory')])
      // what was accepted stays
      expect((await follower.figures()).chain?.head.blockNumber).equal(1_000n)
      expect(heardByFollower.some(({ type }) => type === 'rewind')).equal(false)

      // one dies, which is asked of every block whether the liar rests or not: what is known goes on
      await endpoints[1]!.close()
      await l1.mineTo((await l1.head()).time + 24)
      await until(async () => ((await follower.figures()).schedule?.endpoints[1]?.failures ?? 0) > 0, 'it is missed')
      await followed()

      for (const [honest, at] of [[alice, follower], [follower, alice], [follower, mallory]] as const) {
        const { ban, reputation } = await at.access.standing(honest.peerId)
        expect([ban, reputation < 0]).deep.equal([undefined, false])
        expect((await at.peers()).find(({ peer }) => peer === honest.peerId)?.score).least(0)
      }
    } finally {
      for (const service of services.reverse()) await service.stop()
      for (const endpoint of endpoints) await endpoint.close().catch(() => undefined)
      await l1.stop()
    }
  })
})
