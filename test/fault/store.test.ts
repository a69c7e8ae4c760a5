import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { P2pService, scheduleFromSigners } from '../../src/index.js'
import type { Lagged, NetworkEvent } from '../../src/index.js'
import { ChainMaker, KEY, SIGNER, TIP, TestNet } from '../support/nodes.js'
import { listenOn } from '../support/transport.js'
import { until } from '../support/until.js'
import { Stage } from './stage.js'
import { threadsLeftBy } from './store-thread.js'

const run = promisify(execFile)
const succeeds = async (file: string, ...args: readonly string[]): Promise<boolean> => run(file, args).then(() => true, () => false)

/** How often the thread is killed while blocks are published. */
const KILLS = 4

interface Outage {
  /** The code of the error. */
  readonly code: string
  readonly cause: (stage: Stage) => Promise<void>
  readonly cure: (stage: Stage) => Promise<void>
  readonly txListBytes?: number
}

/** What has to hold while a node cannot store, and after that. */
async function survives(stage: Stage, { code, cause, cure, txListBytes = 1_000 }: Outage): Promise<void> {
  const { middle } = stage
  await stage.relay(5, txListBytes)
  await middle.headIs(TIP + 5n)
  await stage.streamReaches(5)
  await cause(stage)

  await stage.relay(1, txListBytes)
  await middle.said('storeFailing', event => event.code === code)
  expect(await stage.ailment('store_failing')).to.match(new RegExp(`^${code}: `))
  const claims = stage.claims.length
  // relaying goes on
  await stage.relay(10, txListBytes)
  const refused = await stage.refusesOwn()
  expect((await middle.service.health()).unstored, 'what waits').to.be.greaterThan(9)
  const { blockNumber: head } = await middle.service.head()
  expect(stage.claims.length, 'no false `stored`').to.equal(claims)
  expect(stage.items.length, 'the stream gives what is durable only').to.be.at.most(Number(head - TIP))

  await cure(stage)
  await stage.recovered()
  await middle.headIs(TIP + 16n)
  await stage.publishesAndServes(refused)
  await stage.streamReaches(17)
  expect(await stage.claimsAreTrue()).to.equal(2 * 17)
}

describe('a running node whose store fails', () => {
  let net: TestNet
  let release = (): void => undefined
  const setStage = async (options: { readonly dataDir?: string } = {}): Promise<Stage> => {
    const stage = await Stage.set(net, options)
    release = () => { stage.thread.release() }
    return stage
  }
  beforeEach(() => { net = new TestNet('memory') })
  afterEach(async () => {
    release()
    await net.stop()
  })

  it('H33 H20: its store\'s thread is killed again and again while blocks are published: all of them are relayed, stored and streamed', async () => {
    const stage = await setStage()
    const { middle, thread } = stage
    let killing = true
    let blocks = 0
    const relaying = (async () => {
      for (; killing; blocks++) await stage.relay(1)
    })()
    for (let kill = 1; kill <= KILLS; kill++) {
      await thread.kill(middle.service)
      expect(await stage.ailment('store_failing')).to.match(/^thread_died: /)
      await stage.claimsAreTrue()
      await stage.recovered(kill)
    }
    killing = false
    await relaying
    await middle.headIs(TIP + BigInt(blocks))
    await stage.streamReaches(blocks)
    expect(await stage.claimsAreTrue()).to.equal(2 * blocks)
    expect(middle.of('storeFailing').map(({ code }) => code)).to.deep.equal(new Array(KILLS).fill('thread_died'))
    expect(new Set(middle.of('actorFailed').map(({ actor }) => actor)), 'no other actor had to be restarted').to.deep.equal(new Set(['p2p/store']))
  })

  it('H33 K97: its store\'s thread is made to hang: it is replaced within its limit, gossip goes on, nothing stored is lost', async () => {
    const stage = await setStage()
    const { middle, thread } = stage
    await stage.relay(5)
    await stage.streamReaches(5)
    await thread.hang()
    const began = performance.now()
    let hung = true
    let blocks = 5
    const relaying = (async () => { for (; hung; blocks++) await stage.relay(1) })()
    await until(() => middle.of('storeFailing').length > 0, 'it is noticed')
    expect(middle.of('storeFailing').map(({ code }) => code)).to.deep.equal(['hung'])
    expect(performance.now() - began, 'not before its limit').to.be.greaterThan(9_000)
    expect(await stage.claimsAreTrue()).to.equal(2 * 5)
    await stage.recovered()
    hung = false
    await relaying
    expect(blocks, 'relaying went on').to.be.above(5)
    await middle.headIs(TIP + BigInt(blocks))
    await stage.streamReaches(blocks)
    expect(await stage.claimsAreTrue()).to.equal(2 * blocks)
  })

  it('H33: its store\'s thread is killed while nothing happens: it says so, and has another one before anybody asks', async () => {
    const stage = await setStage()
    const { middle, thread } = stage
    await stage.relay(3)
    await stage.streamReaches(3)
    await thread.kill(middle.service)
    await middle.said('storeFailing', ({ code }) => code === 'thread_died')
    await stage.recovered()
    expect(await middle.service.storedCommitments({ start: TIP + 1n, maxCount: 256 })).to.have.length(3)
  })

  it('H33 H24 H20: its thread is killed, and the directory has become foreign', async () => {
    const stage = await setStage()
    const store = join(stage.dataDir, 'store')
    await survives(stage, {
      code: 'foreign',
      cause: async ({ middle, thread }) => { await anothers(store); await thread.kill(middle.service) },
      cure: async () => oursAgain(store),
    })
  })

  it('H33 H24 H20: its thread is killed, and the directory is damaged', async () => {
    const stage = await setStage()
    const current = join(stage.dataDir, 'store', 'CURRENT')
    await survives(stage, {
      code: 'damaged',
      cause: async ({ middle, thread }) => { await rename(current, `${stage.dataDir}/kept`); await thread.kill(middle.service) },
      cure: async () => rename(`${stage.dataDir}/kept`, current),
    })
  })

  it('H33 H24 H20: its disk is full', async function () {
    if (!await onSmallDisk(async disk => {
      const ballast = join(disk, 'ballast')
      const stage = await setStage({ dataDir: join(disk, 'data') })
      await survives(stage, { code: 'disk_full', txListBytes: 50_000, cause: async () => fillUp(ballast), cure: async () => rm(ballast) })
      await net.stop()
    })) this.skip()
  })

  it('H33 H20: its disk is full and its thread dies too: it opens the database again as soon as there is room', async function () {
    if (!await onSmallDisk(async disk => {
      const ballast = join(disk, 'ballast')
      const stage = await setStage({ dataDir: join(disk, 'data') })
      await survives(stage, {
        code: 'disk_full', txListBytes: 50_000,
        cause: async ({ middle, thread }) => { await fillUp(ballast); await thread.kill(middle.service) },
        cure: async () => rm(ballast),
      })
      await net.stop()
    })) this.skip()
  })

  it('H20: a subscriber that does not read is told how many events it missed, to the last one; the ordered stream misses nothing', async () => {
    const { service } = await net.start({ signing: { key: KEY, unprotected: true }, eventCapacity: 16 })
    const slow = service.subscribe()
    const fast: (NetworkEvent | Lagged)[] = []
    const reader = service.subscribe()
    const reading = (async () => { for await (const event of reader) fast.push(event) })()
    const chain = await ChainMaker.create()
    for (let block = 0; block < 40; block++) {
      const { txList, commitment } = chain.block()
      await service.publishTxList(txList)
      await service.publishCommitment(commitment)
    }
    const streamed: bigint[] = []
    for await (const item of service.blocks({ from: TIP + 1n, withTxList: true })) {
      await new Promise(resolve => { setTimeout(resolve, 2) })
      if (item.kind === 'block') streamed.push(item.blockNumber)
      if (streamed.length === 40) break
    }
    expect(streamed).to.deep.equal(Array.from({ length: 40 }, (_, at) => TIP + 1n + BigInt(at)))
    await service.stop()
    await reading
    const got: (NetworkEvent | Lagged)[] = []
    for await (const event of slow) got.push(event)
    const missed = (events: readonly (NetworkEvent | Lagged)[]) => events.reduce((sum, event) => event.type === 'lagged' ? sum + event.count : sum, 0)
    const counted = (events: readonly (NetworkEvent | Lagged)[]) => events.filter(({ type }) => type !== 'lagged').length + missed(events)
    expect(got.filter(({ type }) => type !== 'lagged').length, 'kept for it').to.be.at.most(2 * 16)
    expect(missed(got)).to.be.greaterThan(100)
    expect(counted(got)).to.equal(counted(fast))
  })
})

describe('a node that is started on a directory that is not as it left it', () => {
  let net: TestNet
  beforeEach(() => { net = new TestNet('memory') })
  afterEach(async () => { await net.stop() })

  it('H33 H23: damaged or foreign, database or identity: a typed error, nothing is left running or changed; without the cause it starts with all it had', async () => {
    const dataDir = await net.folder()
    const config = () => ({ schedule: scheduleFromSigners([SIGNER]), listen: listenOn('memory'), network: { transport: 'memory' as const }, signing: { key: KEY, unprotected: true }, dataDir, confirmedTip: { blockNumber: TIP } })
    const first = await P2pService.start(config())
    const chain = await ChainMaker.create()
    for (let block = 0; block < 3; block++) await first.publishCommitment(chain.block().commitment)
    const { peerId } = first
    await first.stop()

    const store = join(dataDir, 'store')
    const causes: readonly (readonly [code: string, cause: () => Promise<void>, cure: () => Promise<void>])[] = [
      ['foreign', async () => anothers(store), async () => oursAgain(store)],
      ['damaged', async () => rename(join(store, 'CURRENT'), join(dataDir, 'kept')), async () => rename(join(dataDir, 'kept'), join(store, 'CURRENT'))],
      ['identity_damaged', async () => { await rename(join(dataDir, 'identity.key'), join(dataDir, 'kept')); await writeFile(join(dataDir, 'identity.key'), 'x') },
        async () => rename(join(dataDir, 'kept'), join(dataDir, 'identity.key'))],
    ]
    for (const [code, cause, cure] of causes) {
      await cause()
      const files = await readdir(store)
      const left = await threadsLeftBy(async () => {
        const error = await P2pService.start(config()).then(() => undefined, (failure: unknown) => failure)
        expect(error, code).to.be.instanceOf(Error).and.include({ code })
      })
      expect(left, `threads left by ${code}`).to.equal(0)
      expect((await readdir(store)).filter(file => file !== 'LOG' && file !== 'LOG.old').sort()).to.deep.equal(files.filter(file => file !== 'LOG' && file !== 'LOG.old').sort())
      await cure()
    }
    expect(await P2pService.start({ ...config(), chainId: 1n }).catch((error: unknown) => error), 'the directory of another chain').to.include({ name: 'StoreError', code: 'foreign' })

    const again = await P2pService.start(config())
    expect(again.peerId).to.equal(peerId)
    expect((await again.head()).blockNumber).to.equal(TIP + 3n)
    await again.stop()
  })
})

/** In place of our store lies what is another program's. */
async function anothers(store: string): Promise<void> {
  await rename(store, `${store}.ours`)
  await mkdir(store)
  await writeFile(join(store, 'data.mdb'), 'not ours')
}

async function oursAgain(store: string): Promise<void> {
  await rm(store, { recursive: true })
  await rename(`${store}.ours`, store)
}

/** Runs something on a disk of 12 MiB; false where this process may not mount one. */
async function onSmallDisk(work: (disk: string) => Promise<void>): Promise<boolean> {
  const disk = await mkdtemp(join(tmpdir(), 'fault-disk-'))
  if (!await succeeds('mount', '-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk)) {
    await rm(disk, { recursive: true })
    console.log('      skipped: this process may not mount a small disk (test/fault/store-limit.test.ts takes the same way)')
    return false
  }
  try {
    await work(disk)
  } finally {
    await run('umount', ['-l', disk])
    await rm(disk, { recursive: true })
  }
  return true
}

/** Writes until there is no room left. */
async function fillUp(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let size = 1024 * 1024; size >= 512;) {
      const { bytesWritten } = await file.write(Buffer.alloc(size, 1)).catch(() => ({ bytesWritten: 0 }))
      if (bytesWritten < size) size /= 2
    }
  } finally {
    await file.close()
  }
}
