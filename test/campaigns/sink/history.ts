import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Random } from '../../../src/actors/kernel/index.js'
import { FoldingConsumer, Place } from '../../nats/room.js'
import { NatsServer } from '../../nats/server.js'
import { Fold, StageNode, sameChain } from '../../sink/stage.js'
import type { StageSink } from '../../sink/stage.js'

/** How long a standby waits for a silent writer, ms. */
const TAKEOVER = 150

/** One random history: two nodes on one chain, each with a sink on the same subject, consumers, and what goes wrong. */
export class History {
  readonly told: string[] = []
  readonly complaints: string[] = []
  readonly #consumers: FoldingConsumer[] = []
  readonly #sinks: (StageSink | undefined)[] = [undefined, undefined]
  #variant = 0

  private constructor(
    private readonly server: NatsServer, private readonly random: Random, private readonly place: Place, private readonly nodes: readonly [StageNode, StageNode],
  ) {}

  static async withServer(work: (server: NatsServer) => Promise<void>): Promise<void> {
    if (process.env['NATS_SERVER'] === undefined) {
      const found = spawnSync(process.execPath, [fileURLToPath(new URL('../../../../scripts/test-nats.js', import.meta.url)), '--find'], { encoding: 'utf8' }).stdout.trim()
      if (found === '' || found.startsWith('skipped')) throw new Error(found)
      process.env['NATS_SERVER'] = found
    }
    const server = await NatsServer.start()
    try {
      await work(server)
    } finally {
      await server.stop()
    }
  }

  static async start(server: NatsServer, random: Random): Promise<History> {
    const history = new History(server, random, new Place(server), [await StageNode.start({ random }), await StageNode.start({ random })])
    history.#consumers.push(new FoldingConsumer(history.place), new FoldingConsumer(history.place))
    return history
  }

  async play(steps: number): Promise<void> {
    await this.#append(1 + this.#upTo(20))
    this.#write(0)
    for (let step = 0; step < steps; step++) await this.#step()
  }

  /** Everything works again, and whoever reads has the chain of `blocks()`. Gives how many blocks that is. */
  async end(): Promise<number> {
    const [node] = this.nodes
    await this.nodes[1].follow(node)
    this.#write(0)
    for (const consumer of this.#consumers) {
      if (consumer.error !== undefined) throw consumer.error as Error
      await consumer.leave()
      consumer.attach()
    }
    const fresh = new FoldingConsumer(this.place)
    this.#consumers.push(fresh)
    for (const consumer of this.#consumers) {
      await consumer.has(node, 30_000)
      this.complaints.push(...consumer.fold.complaints)
    }
    const fold = new Fold()
    const left = new AbortController()
    for await (const item of node.source.blocks({ from: 1n, withTxList: true, signal: left.signal })) {
      fold.add(item)
      if (fold.chain.size === node.chain.length) left.abort()
    }
    if (!sameChain(fold, node) || fold.hashes.join() !== fresh.fold.hashes.join()) this.complaints.push('what was folded is not what blocks() gives')
    return node.chain.length
  }

  async close(): Promise<void> {
    await Promise.all(this.#consumers.map(consumer => consumer.leave()))
    await Promise.all(this.nodes.map(node => node.stop()))
    await this.place.manage(jsm => jsm.streams.delete(this.place.stream)).catch(() => undefined)
  }

  async #step(): Promise<void> {
    const [one, two] = this.nodes
    const dice = this.random()
    const say = (what: string): void => { this.told.push(`${what} (heads ${one.head}, ${two.head})`) }
    if (dice < 0.35) { say('append'); await this.#append(1 + this.#upTo(12)) }
    else if (dice < 0.5) {
      say('rewind')
      const depth = BigInt(Math.min(one.chain.length, 1 + this.#upTo(9)))
      await one.rewind(one.head - depth)
      if (this.random() < 0.7) await this.#append(1 + this.#upTo(5))
    } else if (dice < 0.62) { say('two follows'); await two.follow(one) }
    else if (dice < 0.7) { say('a sink starts'); this.#write(this.#upTo(2)) }
    else if (dice < 0.78) { say('a sink stops'); await this.#leave(this.#upTo(2)) }
    else if (dice < 0.84) { say('a node restarts'); await this.#restart(this.#upTo(2)) }
    else if (dice < 0.9) {
      say('a consumer comes back')
      const consumer = this.#consumers[this.#upTo(2)]!
      await consumer.leave()
      consumer.attach()
    } else if (dice < 0.95) { say('silence'); await new Promise(resolve => { setTimeout(resolve, 2 * TAKEOVER) }) }
    else if (dice < 0.97) {
      say('the stream is deleted')
      await this.place.manage(jsm => jsm.streams.delete(this.place.stream)).catch(() => undefined)
    } else {
      say('the server is killed')
      await this.server.kill()
      await this.#append(1 + this.#upTo(3))
      await this.server.run()
    }
  }

  async #append(count: number): Promise<void> { await this.nodes[0].append(count, ++this.#variant) }

  #write(which: number): void {
    this.#sinks[which] ??= this.nodes[which]!.sink(this.place.sink({ takeoverAfter: TAKEOVER, inFlight: 1 + this.#upTo(16) }))
  }

  async #leave(which: number): Promise<void> {
    const sink = this.#sinks[which]
    this.#sinks[which] = undefined
    await sink?.stop()
  }

  async #restart(which: number): Promise<void> {
    const wrote = this.#sinks[which] !== undefined
    this.#sinks[which] = undefined
    await this.nodes[which]!.restart()
    if (wrote) this.#write(which)
  }

  #upTo(below: number): number { return Math.floor(this.random() * below) }
}

