import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { expect } from 'chai'
import { P2pService, scheduleFromSigners, signerFromKey } from '../../src/index.js'
import type { AddressedSigner, P2pConfig, StreamItem } from '../../src/index.js'
import type { PreconfCommitment } from '../../src/protocol/index.js'
import { ChainMaker, KEY, SIGNER, TIP, TestNet } from '../support/nodes.js'
import type { TestNode } from '../support/nodes.js'
import { listenOn } from '../support/transport.js'
import { until } from '../support/until.js'

type Block = ReturnType<ChainMaker['block']>

async function publish({ service }: TestNode, blocks: readonly Block[]): Promise<void> {
  for (const { commitment, txList } of blocks) {
    await service.publishTxList(txList)
    await service.publishCommitment(commitment)
  }
}

/** Another one for the same height and window. */
const rivalOf = ({ commitment }: Block): PreconfCommitment => ({ ...commitment, preconf: { ...commitment.preconf, timestamp: commitment.preconf.timestamp + 7n } })
const codeOf = async (work: Promise<unknown>): Promise<unknown> => work.then(() => 'published', (error: unknown) => (error as { code?: unknown }).code)

/** Counts what it signs. */
function counting(): { sign: AddressedSigner; made: () => number } {
  let made = 0
  return { sign: Object.assign((digest: Uint8Array) => { made++; return signerFromKey(KEY)(digest) }, { address: SIGNER }), made: () => made }
}

async function damage(dataDir: string, space: string, which: number): Promise<void> {
  const level = new ClassicLevel<Buffer, Buffer>(join(dataDir, 'store'), { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await level.open()
  const [key, value] = (await level.iterator({ gte: Buffer.from(space), lt: Buffer.from([space.charCodeAt(0) + 1]) }).all())[which] as [Buffer, Buffer]
  value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
  await level.put(key, value, { sync: true })
  await level.close()
}

describe('service: what a node signs, and what it has lost', function () {
  this.timeout(90_000)
  let net: TestNet
  let maker: ChainMaker
  beforeEach(async () => { net = new TestNet('memory'); maker = await ChainMaker.create() })
  afterEach(async () => { await net.stop() })
  const chain = (count: number): Block[] => Array.from({ length: count }, () => maker.block())

  it('H54 a signer without a data directory is refused, unless it is asked for by name; so is one that does not say for whom it signs', async () => {
    const start = async (config: Partial<P2pConfig>) => codeOf(P2pService.start({ schedule: scheduleFromSigners([SIGNER]), listen: listenOn('memory'), discovery: false, network: { transport: 'memory' }, ...config })
      .then(service => service.stop()))
    expect(await start({ signing: { key: KEY } })).to.equal('signing_unprotected')
    expect(await start({ signing: { sign: counting().sign } })).to.equal('signing_unprotected')
    expect(await start({ signing: { key: KEY, unprotected: false } })).to.equal('signing_unprotected')
    expect(await start({ signing: { sign: (() => new Uint8Array(65)) as never, unprotected: true } })).to.equal('bad_config')
    expect(await start({ signing: { key: KEY, unprotected: true } })).to.equal('published')
    expect(await start({ signing: { key: KEY }, dataDir: await net.folder() })).to.equal('published')
    expect(await start({}), 'publishing what is signed already is not signing').to.equal('published')
  })

  it('H53 one directory under two names: the second node does not start', async () => {
    const dataDir = await net.folder()
    await net.start({ signing: { key: KEY }, dataDir })
    expect(await codeOf(net.start({ signing: { key: KEY }, dataDir: `${dataDir}/../${dataDir.split('/').at(-1) ?? ''}/` }))).to.equal('locked')
  })

  it('H56 what our own rules refuse is not signed, and the corrected block of that height is', async () => {
    const { sign, made } = counting()
    const node = await net.start({ signing: { sign, unprotected: true }, rules: ({ commitment }) => commitment.commitment.preconf.gasLimit === 1n ? { verdict: 'reject', reason: 'gas' } : 'accept' })
    const block = maker.block()
    const wrong = { ...block.commitment, preconf: { ...block.commitment.preconf, gasLimit: 1n } }
    expect(await codeOf(node.service.publishCommitment(wrong))).to.equal('refused')
    expect(made()).to.equal(0)
    expect(await codeOf(node.service.publishCommitment(block.commitment))).to.equal('published')
    expect(made()).to.equal(1)
  })

  it('H76 whose records are gone signs nothing before it has caught up, and then nothing that conflicts', async () => {
    const blocks = chain(6)
    const first = await net.start({ signing: { key: KEY, unprotected: true } })
    const follower = await net.start({}, [first])
    await first.meshed()
    await publish(first, blocks)
    await follower.headIs(TIP + 6n)
    await first.service.stop()
    const { sign, made } = counting()
    const again = await net.start({ signing: { sign, unprotected: true } }, [follower])
    expect(await codeOf(again.service.publishCommitment(rivalOf(blocks[0]!)))).to.equal('conflicting_commitment')
    expect((await again.service.head()).blockNumber, 'it has waited for the catch-up').to.equal(TIP + 6n)
    expect(again.of('signingReady').map(({ after }) => after)).to.deep.equal(['caught_up'])
    await again.service.rewind(TIP + 3n)
    expect(await codeOf(again.service.publishCommitment(rivalOf(blocks[4]!)))).to.equal('conflicting_commitment')
    expect(made()).to.equal(0)
    expect(await codeOf(again.service.publishCommitment(maker.block().commitment)), 'in memory there is no directory that could be new').to.equal('published')
  })

  it('H76 in a new directory, while peers show blocks of ours, nothing is signed for windows that were open', async () => {
    const blocks = chain(3)
    const first = await net.start({ signing: { key: KEY }, dataDir: await net.folder() })
    const follower = await net.start({}, [first])
    await first.meshed()
    await publish(first, blocks)
    await follower.headIs(TIP + 3n)
    await first.service.stop()
    const again = await net.start({ signing: { key: KEY }, dataDir: await net.folder() }, [follower])
    expect(await codeOf(again.service.publishCommitment(maker.block().commitment))).to.equal('window_closed')
    await again.said('recordsLost', ({ what }) => what === 'directory')
    expect((await again.service.health()).ailments.map(({ code }) => code)).to.include('records_lost')
  })

  it('H76 an equivocation of our own key is an ailment, where it came to one all the same', async () => {
    const blocks = chain(3)
    const first = await net.start({ signing: { key: KEY, unprotected: true } })
    const follower = await net.start({}, [first])
    await first.meshed()
    await publish(first, blocks)
    await follower.headIs(TIP + 3n)
    await first.service.stop()
    const again = await net.start({ signing: { key: KEY, unprotected: true, beforeCatchUp: true } })
    expect(await codeOf(again.service.publishCommitment(rivalOf(blocks[0]!)))).to.equal('published')
    await again.service.dial((await follower.service.listenAddresses())[0]!)
    await again.said('ownEquivocation')
    expect((await again.service.health()).ailments.map(({ code }) => code)).to.include('own_equivocation')
  })

  it('H60 a damaged txlist and a damaged block are dropped, told, and fetched again', async () => {
    const blocks = chain(5)
    const dataDir = await net.folder()
    const node = await net.start({ signing: { key: KEY }, dataDir })
    const peer = await net.start({}, [node])
    await node.meshed()
    await publish(node, blocks)
    await until(async () => (await Promise.all(blocks.map(({ txListHash }) => peer.service.storedTxList(txListHash)))).every(list => list !== undefined), 'the peer has all')
    await node.service.stop()
    await damage(dataDir, 't', 2)
    await damage(dataDir, 'c', 3)
    const again = await net.start({ signing: { key: KEY }, dataDir }, [peer])
    const items: StreamItem[] = []
    for await (const item of again.service.blocks({ from: TIP + 1n, withTxList: true, signal: AbortSignal.timeout(30_000) })) {
      items.push(item)
      if (items.length === 5) break
    }
    expect(items.map(item => item.kind === 'block' ? [item.blockNumber, item.txList?.length] : item.kind)).to.deep.equal(blocks.map((_, at) => [TIP + 1n + BigInt(at), 100]))
    expect(new Set(again.of('recordDamaged').map(({ kind }) => kind))).to.deep.equal(new Set(['commitment', 'txList']))
    await again.headIs(TIP + 5n)
  })

  it('H60 without a peer that has them the node starts, and its stream waits', async () => {
    const dataDir = await net.folder()
    const node = await net.start({ signing: { key: KEY }, dataDir })
    await publish(node, chain(5))
    await node.service.stop()
    await damage(dataDir, 't', 2)
    const again = await net.start({ signing: { key: KEY }, dataDir })
    const seen: bigint[] = []
    for await (const item of again.service.blocks({ from: TIP + 1n, withTxList: true, signal: AbortSignal.timeout(2_000) })) if (item.kind === 'block') seen.push(item.blockNumber)
    expect(seen, 'it ends without an error').to.deep.equal([TIP + 1n, TIP + 2n])
    await again.said('recordDamaged', ({ kind }) => kind === 'txList')
    await again.service.stop()
    await damage(dataDir, 'c', 3)
    const third = await net.start({ signing: { key: KEY }, dataDir })
    await third.headIs(TIP + 3n)
    await third.said('recordDamaged', ({ kind, blockNumber }) => kind === 'commitment' && blockNumber === TIP + 4n)
  })

  for (const [what, lose] of Object.entries<(folder: string) => Promise<void>>({
    'the second half of the log is zeros': async folder => {
      const path = join(folder, (await readdir(folder)).find(file => file.endsWith('.log'))!)
      const bytes = await readFile(path)
      await writeFile(path, bytes.fill(0, Math.floor(bytes.length / 2)))
    },
    'the log is gone': async folder => { for (const file of (await readdir(folder)).filter(name => name.endsWith('.log'))) await rm(join(folder, file)) },
  })) {
    it(`H79 ${what}: an event, an ailment, and nothing is signed for windows that were open`, async () => {
      const blocks = chain(20)
      const dataDir = await net.folder()
      const node = await net.start({ signing: { key: KEY }, dataDir })
      await publish(node, blocks)
      await node.service.stop()
      await lose(join(dataDir, 'store'))
      const again = await net.start({ signing: { key: KEY }, dataDir })
      await again.said('recordsLost')
      expect((await again.service.health()).ailments.map(({ code }) => code)).to.include('records_lost')
      for (const block of [blocks[18]!, blocks[2]!]) expect(await codeOf(again.service.publishCommitment(rivalOf(block)))).to.be.oneOf(['window_closed', 'conflicting_commitment'])
      expect(await codeOf(again.service.publishCommitment(rivalOf(blocks[18]!)))).to.equal('window_closed')
      await again.service.stop()
      const third = await net.start({ signing: { key: KEY }, dataDir })
      expect((await third.service.health()).ailments.map(({ code }) => code), 'it is known after a restart').to.include('records_lost')
      expect(await codeOf(third.service.publishCommitment(rivalOf(blocks[18]!)))).to.equal('window_closed')
    })
  }
})
