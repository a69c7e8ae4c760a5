import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { toHex } from '../../src/protocol/index.js'
import type { StreamItem } from '../../src/index.js'
import { fileDatabase } from '../../src/actors/store/file-database.js'
import { ChainMaker, KEY, TIP } from '../support/nodes.js'
import type { TestNode , TestNet } from '../support/nodes.js'
import { until } from '../support/until.js'
import { StoreThread } from './store-thread.js'

type Block = ReturnType<ChainMaker['block']>

/**
 * Three nodes in a row: `preconfer` – `middle` – `far`. What `far` hears of the preconfer, the middle has relayed; only the middle has a data
 * directory, and an application that follows its ordered stream.
 */
export class Stage {
  readonly items: StreamItem[] = []
  readonly #seen = new Set<string>()

  private constructor(
    readonly net: TestNet, readonly dataDir: string, readonly preconfer: TestNode, readonly middle: TestNode, readonly far: TestNode,
    readonly thread: StoreThread, readonly chain: ChainMaker,
  ) {}

  static async set(net: TestNet, { dataDir }: { readonly dataDir?: string } = {}): Promise<Stage> {
    const folder = dataDir ?? await net.folder()
    const [preconfer, far] = await Promise.all([net.start({ signing: { key: KEY, unprotected: true } }), net.start()])
    const { node: middle, thread } = await StoreThread.of(async () => net.start({ dataDir: folder, signing: { key: KEY, unprotected: true } }, [preconfer, far]))
    await Promise.all([preconfer.meshed(), far.meshed(), middle.meshed(2)])
    const stage = new Stage(net, folder, preconfer, middle, far, thread, await ChainMaker.create())
    void stage.#follow()
    return stage
  }

  async #follow(): Promise<void> {
    for await (const item of this.middle.service.blocks({ from: TIP + 1n, withTxList: true })) this.items.push(item)
  }

  /**
   * The preconfer publishes so many more blocks, one after the other; resolves when `far` has them, by way of the middle. So none of them
   * waited 6 s for its verdict: it would have come too late, and the middle would not have relayed it (SPEC §5).
   */
  async relay(count: number, txListBytes = 1_000): Promise<void> {
    for (let block = 0; block < count; block++) await this.#send(this.preconfer, this.chain.block({ txListBytes }))
  }

  async #send(from: TestNode, { txList, commitment, hash }: Block): Promise<void> {
    await from.service.publishTxList(txList)
    await from.service.publishCommitment(commitment)
    await this.farHas(hash)
  }

  async farHas(hash: Uint8Array): Promise<void> {
    const key = toHex(hash)
    await until(() => {
      for (const event of this.far.of('commitment').slice(this.#seen.size)) {
        expect(event.from, 'relayed').to.equal(this.middle.service.peerId)
        this.#seen.add(toHex(event.hash))
      }
      return this.#seen.has(key)
    }, `${key} at the far node`)
  }

  /** Heights that the middle's stream gave, and the kinds of other items. */
  get streamed(): readonly (bigint | string)[] { return this.items.map(item => item.kind === 'block' ? item.blockNumber : item.kind) }

  /** Waits until the middle's stream has given every block up to here: each once, in order, with its txlist. */
  async streamReaches(blocks: number): Promise<void> {
    await until(() => this.items.length >= blocks, `${blocks} items of the stream`).catch(() => undefined)
    expect(this.streamed).to.deep.equal(Array.from({ length: blocks }, (_, at) => TIP + 1n + BigInt(at)))
    for (const item of this.items) expect(item.kind === 'block' && item.txList, 'complete').to.be.instanceOf(Uint8Array)
  }

  /** What the middle said is stored. */
  get claims(): readonly { readonly kind: 'commitment' | 'txList'; readonly hash: Uint8Array }[] { return this.middle.of('stored') }

  /** Everything that the middle said is stored so far is on its disk: looked up in a copy, for the disk as it is belongs to the node. */
  async claimsAreTrue(): Promise<number> {
    const { claims } = this
    const copy = await this.net.folder()
    await until(async () => this.#copyStoreTo(copy), 'a copy during which no file came or went')
    const db = fileDatabase({ dataDir: copy })
    await db.open()
    for (const { kind, hash } of claims) {
      if (kind === 'txList') expect(await db.txList(hash), 'a txlist that was said to be stored').to.be.instanceOf(Uint8Array)
      else expect(toHex((await db.commitmentByHash(hash))?.ssz ?? new Uint8Array()), 'a commitment that was said to be stored').to.have.length(2 * 382)
    }
    await db.close()
    await rm(copy, { recursive: true })
    return claims.length
  }

  /** False where the database has made or removed a file meanwhile: then the copy is of no one moment. */
  async #copyStoreTo(copy: string): Promise<boolean> {
    const [from, to] = [join(this.dataDir, 'store'), join(copy, 'store')]
    const files = async (): Promise<string[]> => (await readdir(from)).filter(file => /^(\d+\.(ldb|log)|MANIFEST-\d+|CURRENT)$/.test(file)).sort()
    await rm(to, { recursive: true, force: true })
    await mkdir(to)
    const before = await files()
    for (const file of before) {
      try { await copyFile(join(from, file), join(to, file)) } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
        throw error
      }
    }
    return before.join() === (await files()).join()
  }

  /** Why the middle says it is not at its best. */
  async ailment(code: string): Promise<string> {
    return until(async () => (await this.middle.service.health()).ailments.find(ailment => ailment.code === code)?.message, `the ailment ${code}`)
  }

  /** The node itself publishes while it cannot store: a typed error, and nothing leaves. Gives the block. */
  async refusesOwn(): Promise<Block> {
    const block = this.chain.block()
    const { service } = this.middle
    const error = await service.publishCommitment(block.commitment).then(() => undefined, (failure: unknown) => failure)
    expect(error, 'what cannot be recorded is not signed').to.include({ name: 'ChainError', code: 'not_recorded' })
    return block
  }

  /** The middle publishes what it was refused before, and serves it (H24). */
  async publishesAndServes(block: Block): Promise<void> {
    const { service } = this.middle
    await service.publishTxList(block.txList)
    expect((await service.publishCommitment(block.commitment)).stored).to.equal(true)
    await this.farHas(block.hash)
    const { blockNumber } = block.commitment.preconf
    const { commitments } = await this.far.service.requestCommitments({ peer: service.peerId, start: blockNumber, maxCount: 1 })
    expect(commitments.map(({ commitment }) => commitment.preconf.blockNumber)).to.deep.equal([blockNumber])
    const { txList } = await this.far.service.requestTxList({ peer: service.peerId, hash: block.txListHash })
    expect(toHex(txList)).to.equal(toHex(block.txList))
  }

  async recovered(times = 1): Promise<void> {
    await until(() => this.middle.of('storeRecovered').length >= times, 'recovery')
    await until(async () => (await this.middle.service.health()).status === 'ok', 'health')
  }
}
