import { expect } from 'chai'
import { ChainError, P2pService, RequestError, ServiceError, StoreError, scheduleFromSigners, signerFromKey, supervisor, toHex } from '../../src/index.js'
import type { AddressedSigner, PreconfCommitment, StreamItem } from '../../src/index.js'
import { SignedCommitmentCodec } from '../../src/protocol/index.js'
import { ChainMaker, KEY, SIGNER, TIP, TestNet } from '../support/nodes.js'
import type { TestNode } from '../support/nodes.js'
import { describeTransports, listenOn } from '../support/transport.js'
import { until } from '../support/until.js'

const signing = { key: KEY, unprotected: true }

async function publish(node: TestNode, chain: ChainMaker, count: number, txListBytes = 1_000): Promise<void> {
  for (let block = 0; block < count; block++) {
    const { commitment, txList } = chain.block({ txListBytes })
    await node.service.publishTxList(txList)
    await node.service.publishCommitment(commitment)
  }
}

describeTransports('service', function (transport) {
  let net: TestNet
  beforeEach(() => { net = new TestNet(transport) })
  afterEach(async () => { await net.stop() })

  it('what one publishes the other validates, stores, and has as its head', async () => {
    const preconfer = await net.start({ signing })
    const follower = await net.start({}, [preconfer])
    await preconfer.meshed()
    const chain = await ChainMaker.create()
    const { commitment, txList, hash, txListHash } = chain.block({ txListBytes: 50_000 })
    await preconfer.service.publishTxList(txList)
    const { stored, recipients } = await preconfer.service.publishCommitment(commitment)
    expect([stored, recipients]).to.deep.equal([true, 1])

    const accepted = await follower.said('commitment')
    expect(accepted).to.deep.include({ blockNumber: TIP + 1n, from: preconfer.service.peerId })
    expect(toHex(accepted.hash)).to.equal(toHex(hash))
    expect(toHex(accepted.signer)).to.equal(toHex(SIGNER))
    await follower.said('stored', ({ kind }) => kind === 'commitment')
    await follower.said('txList')
    await follower.headIs(TIP + 1n)
    expect(await follower.service.storedTxList(txListHash)).to.deep.equal(txList)
    expect((await follower.service.health()).status).to.equal('ok')
  })

  it('H24: what we publish is stored and served to whoever asks', async () => {
    const preconfer = await net.start({ signing })
    await publish(preconfer, await ChainMaker.create(), 3)
    const asker = await net.start({}, [preconfer])
    await asker.said('peerReady')
    const { head } = await asker.service.requestHead()
    expect(head.blockNumber).to.equal(TIP + 3n)
    const { commitments, peer } = await asker.service.requestCommitments({ start: TIP + 1n, maxCount: 256 })
    expect(peer).to.equal(preconfer.service.peerId)
    expect(commitments.map(({ commitment }) => commitment.preconf.blockNumber)).to.deep.equal([TIP + 1n, TIP + 2n, TIP + 3n])
    const { txList } = await asker.service.requestTxList({ hash: commitments[0]!.commitment.preconf.rawTxListHash })
    expect(txList).to.have.length(1_000)
  })

  it('one that joins late catches up, commitments and txlists', async () => {
    const preconfer = await net.start({ signing })
    await publish(preconfer, await ChainMaker.create(), 20)
    const late = await net.start({}, [preconfer])
    await late.headIs(TIP + 20n)
    const items: StreamItem[] = []
    for await (const item of late.service.blocks({ from: TIP + 1n, withTxList: true })) {
      items.push(item)
      if (items.length === 20) break
    }
    expect(items.map(item => item.kind === 'block' ? item.blockNumber : item.kind)).to.deep.equal(Array.from({ length: 20 }, (_, at) => TIP + 1n + BigInt(at)))
  })

  it('a catch-up that is asked for can be awaited and followed', async () => {
    const preconfer = await net.start({ signing })
    const late = await net.start({}, [preconfer])
    await late.said('peerReady')
    expect((await late.service.sync()).outcome).to.equal('caught_up')
    await publish(preconfer, await ChainMaker.create(), 3)
    const seen: string[] = []
    const run = late.service.sync()
    for await (const event of run) seen.push(event.type)
    expect(await run).to.include({ outcome: 'caught_up', to: TIP + 3n })
    expect([seen[0], seen.at(-1)]).to.deep.equal(['syncStarted', 'syncDone'])
    expect((await late.service.head()).blockNumber).to.equal(TIP + 3n)
  })

  it('H28: arguments that cannot be are typed errors at once', async () => {
    const { service } = await net.start()
    const failure = async (work: Promise<unknown>) => work.then(() => expect.fail('nothing was thrown'), (error: unknown) => error)
    const tooMany = await failure(service.requestCommitments({ start: 5n, maxCount: 300 }))
    expect(tooMany).to.be.instanceOf(RequestError).and.include({ code: 'max_count_exceeded', value: 300, limit: 256 })
    expect(await failure(service.requestCommitments({ start: 5n, maxCount: 0 }))).to.include({ code: 'empty_range' })
    expect(await failure(service.requestCommitments({ start: -1n, maxCount: 1 }))).to.include({ code: 'bad_argument' })
    expect(await failure(service.requestTxList({ hash: new Uint8Array(31) }))).to.include({ code: 'bad_argument' })
    expect(await failure(service.requestHead())).to.be.instanceOf(RequestError).and.include({ code: 'no_peer' })
    expect(await failure(service.publishCommitment(new Uint8Array(381)))).to.be.instanceOf(ServiceError).and.include({ code: 'bad_message', value: 381 })
    const { commitment } = (await ChainMaker.create()).block()
    expect(await failure(service.publishCommitment(commitment))).to.include({ code: 'no_signer' })
    expect(await failure(service.dial('/ip4/127.0.0.1/tcp/1'))).to.include({ code: 'peer_id_missing' })
  })

  it('a commitment after the end of its window is an error that the caller can override', async () => {
    const { service } = await net.start({ signing })
    const { commitment } = (await ChainMaker.create(1_700_000_000n)).block()
    expect(await service.publishCommitment(commitment).catch((error: unknown) => error)).to.include({ code: 'window_over' })
    expect((await service.publishCommitment(commitment, { late: true })).stored).to.equal(true)
  })

  it('H01: a commitment that somebody else signed is refused, neither stored nor forwarded, and its author answers for it', async () => {
    const stranger = signerFromKey('03'.repeat(32))
    const forger = await net.start({ signing: { sign: stranger, unprotected: true }, schedule: scheduleFromSigners([stranger.address]) })
    const honest = await net.start({}, [forger])
    const behind = await net.start({}, [honest])
    await forger.meshed()
    await behind.meshed()
    await publish(forger, await ChainMaker.create(), 1)
    const refused = await honest.said('rejected')
    expect(refused).to.deep.include({ topic: 'commitments', from: forger.service.peerId, reason: 'not_elected', verdict: 'ignore' })
    await until(async () => (await honest.service.access.standing(forger.service.peerId)).reputation < 0, 'the author answers for it')
    expect(await honest.service.storedCommitments({ start: 0n, maxCount: 256 })).to.have.length(0)
    expect(behind.of('commitment')).to.have.length(0)
  })

  it('resumes where it was: identity, chain, txlists, and one process a data directory', async () => {
    const dataDir = await net.folder()
    const chain = await ChainMaker.create()
    const first = await net.start({ signing, dataDir })
    await publish(first, chain, 5)
    const { peerId } = first.service
    const locked = await P2pService.start({ schedule: scheduleFromSigners([SIGNER]), listen: listenOn(transport), network: { transport }, dataDir }).then(() => undefined, (error: unknown) => error)
    expect(locked).to.be.instanceOf(StoreError).and.include({ code: 'locked' })
    await first.service.stop()

    const again = await net.start({ signing, dataDir })
    expect(again.service.peerId).to.equal(peerId)
    expect((await again.service.head()).blockNumber).to.equal(TIP + 5n)
    await publish(again, chain, 1)
    expect(await again.service.storedCommitments({ start: TIP + 1n, maxCount: 256 })).to.have.length(6)
  })

  it('every block comes once and in order on the stream, across a restart too', async () => {
    const dataDir = await net.folder()
    const chain = await ChainMaker.create()
    const seen: bigint[] = []
    let cursor: bigint | string = TIP + 1n
    for (let run = 0; run < 2; run++) {
      const { service, ...node } = await net.start({ signing, dataDir })
      const publishing = publish({ service, ...node } as TestNode, chain, 6)
      let taken = 0
      for await (const item of service.blocks({ from: cursor, withTxList: true })) {
        if (item.kind !== 'block') continue
        seen.push(item.blockNumber)
        cursor = item.cursor
        // The last one of the first run is left to the second.
        if (++taken === (run === 0 ? 5 : 7)) break
      }
      await publishing
      await service.stop()
    }
    expect(seen).to.deep.equal(Array.from({ length: 12 }, (_, at) => TIP + 1n + BigInt(at)))
  })

  it('a rewind is an item of the stream, and the blocks in place of the old ones follow', async () => {
    const { service } = await net.start({ signing })
    const old = await ChainMaker.create()
    await publish({ service } as TestNode, old, 4)
    const items: StreamItem[] = []
    const stream = service.blocks({ from: TIP + 1n })
    const take = async () => { items.push((await stream.next()).value as StreamItem) }
    for (let at = 0; at < 4; at++) await take()
    await service.rewind(TIP + 2n)
    await take()
    expect(items.at(-1)).to.deep.include({ kind: 'rewind', to: TIP + 2n })
    await stream.return()
  })

  it('runs under the application\'s own supervisor', async () => {
    const app = supervisor('app')
    const p2p = app.child('p2p', () => P2pService.actor({
      schedule: scheduleFromSigners([SIGNER]), listen: listenOn(transport), network: { transport }, validator: { pool: { threads: 1 } },
    }), { stopWithin: 30_000 })
    await app.start()
    const service = await p2p.ask('service', {}, 60_000)
    expect(await service.peerCount()).to.equal(0)
    await app.stop()
    expect(await service.head().catch((error: unknown) => error)).to.include({ code: 'closed' })
  })

  it('slashing protection: a conflicting commitment is neither signed nor sent, after a restart and a rewind too', async () => {
    const dataDir = await net.folder()
    const windowEnd = BigInt(Math.ceil(Date.now() / 1_000) + 600)
    const { commitment } = (await ChainMaker.create(windowEnd)).block({ txListBytes: 100 })
    const other = (await ChainMaker.create(windowEnd)).block({ txListBytes: 200 }).commitment
    let signed = 0
    const counting: AddressedSigner = Object.assign((digest: Uint8Array) => { signed++; return signerFromKey(KEY)(digest) }, { address: SIGNER })
    const first = await net.start({ signing: { sign: counting }, dataDir })
    await first.service.publishCommitment(commitment)
    const conflict = async ({ service }: TestNode) => service.publishCommitment(other).then(() => undefined, (error: unknown) => error)
    expect(await conflict(first)).to.be.instanceOf(ChainError).and.include({ code: 'conflicting_commitment', value: TIP + 1n })
    await first.service.rewind(TIP)
    expect(await conflict(first)).to.include({ code: 'conflicting_commitment' })
    await first.service.stop()
    const again = await net.start({ signing: { sign: counting }, dataDir })
    expect(await conflict(again)).to.include({ code: 'conflicting_commitment' })
    expect(signed).to.equal(1)
  })

  it('hands every event to a handler, and goes on when that throws', async () => {
    const { service } = await net.start({ signing })
    const seen: string[] = []
    const failures: unknown[] = []
    const running = service.runWithHandler({
      published: ({ topic }) => { seen.push(topic); throw new Error('the handler failed') },
      failed: error => { failures.push(error) },
    })
    await publish({ service } as TestNode, await ChainMaker.create(), 1)
    await service.stop()
    await running
    expect(seen).to.deep.equal(['txLists', 'commitments'])
    expect(failures).to.have.length(2)
  })

  it('takes a signed commitment as bytes and as a value, and signs with a function of the application', async () => {
    const remoteSigner = Object.assign(async (digest: Uint8Array, commitment: PreconfCommitment) => signerFromKey(KEY)(digest, commitment), { address: SIGNER })
    const local = await net.start({ signing: { sign: remoteSigner, unprotected: true } })
    const chain = await ChainMaker.create()
    const { commitment } = chain.block()
    await local.service.publishCommitment(commitment)
    const [ssz] = await local.service.storedCommitments({ start: TIP + 1n, maxCount: 1 })
    const other = await net.start()
    await other.service.publishCommitment(ssz!)
    expect((await other.service.head()).blockNumber).to.equal(TIP + 1n)
    const third = await net.start()
    await third.service.publishCommitment(SignedCommitmentCodec.decode(ssz!))
    expect((await third.service.head()).blockNumber).to.equal(TIP + 1n)
  })
})
