import { expect } from 'chai'
import type { OrderedSource } from '../../src/actors/sink/ports.js'
import type { OpenSink, Sink } from '../../src/actors/sink/sink.js'
import { until } from '../support/until.js'
import { StageNode } from '../sink/stage.js'
import type { StageSink } from '../sink/stage.js'
import { FoldingConsumer, Place } from './room.js'
import { NatsServer } from './server.js'

const TAKEOVER = 500

describe('nats: exactly once, by a consumer that folds', function () {
  this.timeout(120_000)
  let server: NatsServer
  const owned: NatsServer[] = []
  /** A server that a test may kill. */
  const ofItsOwn = async (): Promise<NatsServer> => {
    const own = await NatsServer.start()
    owned.push(own)
    return own
  }
  const nodes: StageNode[] = []
  const consumers: FoldingConsumer[] = []
  const start = async (options = {}): Promise<StageNode> => {
    const node = await StageNode.start(options)
    nodes.push(node)
    return node
  }
  const reader = (...args: ConstructorParameters<typeof FoldingConsumer>): FoldingConsumer => {
    const consumer = new FoldingConsumer(...args)
    consumers.push(consumer)
    return consumer
  }
  /** What a fresh consumer folds from the first message on, too. */
  const folds = async (place: Place, node: StageNode, consumer: FoldingConsumer): Promise<void> => {
    await consumer.has(node)
    const fresh = reader(place)
    await fresh.has(node)
    expect([...consumer.fold.complaints, ...fresh.fold.complaints]).to.deep.equal([])
  }
  const state = (sink: StageSink, wanted: string): Promise<unknown> => until(async () => (await sink.figures()).state === wanted, `the sink is ${wanted}`)
  const failing = (sink: StageSink, wanted: string): Promise<string> =>
    until(async () => { const { failing } = await sink.figures(); return failing?.code === wanted && failing.message }, `the sink fails with ${wanted}`)

  before(async () => { server = await NatsServer.start() })
  afterEach(async () => {
    await Promise.all(owned.splice(0).map(each => each.stop()))
    await Promise.all(consumers.splice(0).map(consumer => consumer.leave()))
    await Promise.all(nodes.splice(0).map(node => node.stop()))
  })
  after(async () => { await server.stop() })

  it('the writer is killed at every await of its session', async () => {
    const [node, place] = [await start(), new Place(server)]
    const consumer = reader(place)
    await node.append(3)
    let awaits = Infinity
    for (let at = 0, variant = 1; at < awaits; at++) {
      const killer = new Killer(at)
      const running = node.sink(killer.over(place.sink({ inFlight: 4 })), killer.watch(node.source))
      await node.append(2, variant)
      if (at % 3 === 1) {
        await node.rewind(node.head - 2n)
        await node.append(1, ++variant)
      }
      // Killed where it stands, or it has come to its end without reaching that await.
      await until(async () => killer.struck || (await running.figures()).height === node.head, 'it is killed, or has written everything')
      if (!killer.struck) awaits = at
      await running.stop()
    }
    expect(awaits).to.be.greaterThan(10)
    node.sink(place.sink())
    await folds(place, node, consumer)
  })

  it('the server is killed −9 and started again, while the writer writes and the consumer reads', async () => {
    const own = await ofItsOwn()
    const [node, place] = [await start(), new Place(own)]
    await node.append(200)
    const running = node.sink(place.sink())
    const consumer = reader(place)
    for (let round = 1; round <= 3; round++) {
      const append = node.append(400, round)
      await own.kill()
      await append
      await failing(running, 'away')
      await node.rewind(node.head - 20n)
      await node.append(5, round)
      await own.run()
      await until(async () => (await running.figures()).failing === undefined, 'the sink works again')
    }
    await folds(place, node, consumer)
  })

  it('two writers at once: one writes, the other is refused and stands by', async () => {
    const [one, two, place] = [await start(), await start(), new Place(server)]
    await one.append(50)
    await two.follow(one)
    const sinks = [one.sink(place.sink({ takeoverAfter: TAKEOVER })), two.sink(place.sink({ takeoverAfter: TAKEOVER }))]
    const consumer = reader(place)
    for (let round = 0; round < 20; round++) {
      await one.append(3, round)
      if (round % 5 === 4) { await one.rewind(one.head - 4n); await one.append(2, round + 50) }
      await two.follow(one)
    }
    await folds(place, one, consumer)
    const figures = await until(async () => {
      const each = await Promise.all(sinks.map(sink => sink.figures()))
      return each.some(({ state }) => state === 'standby') && each.some(({ state }) => state === 'writing') && each
    }, 'one writes, the other stands by')
    expect(figures.map(({ failing }) => failing)).to.deep.equal([undefined, undefined])
    await place.manage(async jsm => {
      const { state } = await jsm.streams.info(place.stream)
      // The beginning and the skipped heights; nothing twice.
      expect(state.messages).to.equal(consumer.fold.items + 1)
    })
  })

  it('a standby takes over in the middle of a reorganization, within 10 s, without a duplicate or a gap', async () => {
    const [one, two, place] = [await start(), await start(), new Place(server)]
    await one.append(40)
    await two.follow(one)
    const first = one.sink(place.sink())
    const consumer = reader(place)
    await consumer.has(one)
    const second = two.sink(place.sink())
    await state(second, 'standby')
    await one.append(3)
    await consumer.has(one)
    await first.stop()
    // What the writer had told, and nobody else knows: the standby's chain left the other's three blocks below its head.
    await two.take(one.chain.slice(40, 42))
    await two.append(4, 9)
    const began = performance.now()
    await consumer.has(two)
    expect(performance.now() - began).to.be.lessThan(10_000)
    expect(await second.figures()).to.include({ state: 'writing', takeovers: 1, writer: 2 })
    // Blocks 43 to 46 of the other chain, and one rewind to where both were the same.
    expect(consumer.fold.rewinds).to.equal(1)
    await folds(place, two, consumer)
    // The first comes back, behind by now, and stands by; then it catches up, and takes over in its turn.
    const again = one.sink(place.sink({ takeoverAfter: TAKEOVER }))
    await until(async () => ['standby', 'behind'].includes((await again.figures()).state), 'it stands by')
    await one.follow(two)
    await second.stop()
    await one.append(5, 11)
    await consumer.has(one)
    expect(await again.figures()).to.include({ writer: 3 })
    await folds(place, one, consumer)
  })

  it('the dedup window has passed: what is sent again is refused by its sequence', async () => {
    const [node, place] = [await start(), new Place(server)]
    await place.manage(jsm => jsm.streams.add({ name: place.stream, subjects: [place.subject], duplicate_window: 100_000_000 }))
    await node.append(20)
    const consumer = reader(place)
    const deaf = new Deaf(place.sink())
    const running = node.sink(deaf)
    await consumer.has(node)
    // Answers are lost from here on, so the writer does not know what is there; the window is over before it asks.
    deaf.isDeaf = true
    await node.append(10, 1)
    await consumer.has(node)
    await new Promise(resolve => { setTimeout(resolve, 200) })
    deaf.fail()
    await until(async () => (await running.figures()).sessions > 1 && (await running.figures()).state === 'writing', 'it has begun anew')
    await node.append(10, 2)
    await folds(place, node, consumer)
  })

  it('the stream is full: the ailment says so, nothing is lost, and it goes on once there is room', async () => {
    const [node, place] = [await start(), new Place(server)]
    await place.manage(jsm => jsm.streams.add({ name: place.stream, subjects: [place.subject], max_msgs: 20, discard: 'new' }))
    await node.append(50)
    const running = node.sink(place.sink())
    const consumer = reader(place)
    expect(await failing(running, 'full')).to.match(/maximum messages exceeded/)
    await node.append(10, 1)
    await place.manage(jsm => jsm.streams.update(place.stream, { max_msgs: -1 }))
    await folds(place, node, consumer)
    await until(async () => (await running.figures()).failing === undefined, 'the ailment is over')
  })

  it('the stream is deleted: it is made anew, and a consumer is told where it begins', async () => {
    const [node, place] = [await start(), new Place(server)]
    await node.append(30)
    const running = node.sink(place.sink())
    const consumer = reader(place)
    await consumer.has(node)
    await place.manage(jsm => jsm.streams.delete(place.stream))
    await node.rewind(20n)
    await node.append(15, 1)
    await folds(place, node, consumer)
    expect((await running.figures()).sessions).to.be.greaterThan(1)
  })

  it('a slow consumer, and one that comes and goes, lose nothing', async () => {
    const [node, place] = [await start(), new Place(server)]
    node.sink(place.sink())
    const slow = reader(place, {}, () => new Promise(resolve => { setTimeout(resolve, 2) }))
    const comes = reader(place)
    const kept = reader(place, { durable: 'kept' })
    for (let round = 0; round < 12; round++) {
      await node.append(30, round)
      if (round % 3 === 2) await node.rewind(node.head - BigInt(round))
      await comes.leave()
      await kept.leave()
      kept.cursor = undefined
      comes.attach()
      kept.attach()
    }
    for (const consumer of [slow, comes]) await folds(place, node, consumer)
    await kept.has(node)
  })

  it('rewinds over a restart of the node, and of everything', async () => {
    const own = await ofItsOwn()
    const [node, place] = [await start(), new Place(own)]
    await node.append(30)
    let running = node.sink(place.sink())
    const consumer = reader(place)
    await consumer.has(node)
    for (let round = 1; round <= 4; round++) {
      await running.stop()
      await node.rewind(node.head - 7n)
      await node.append(2, round)
      if (round % 2 === 0) await Promise.all([node.restart(), own.restart()])
      else await node.restart()
      await node.rewind(node.head - 3n)
      await node.append(4, round + 10)
      running = node.sink(place.sink())
      await consumer.has(node)
      expect(await running.figures()).to.include({ refused: 0 })
    }
    await folds(place, node, consumer)
  })

  it('confirmed: what is at or below the tip, and never a rewind', async () => {
    const [node, place] = [await start(), new Place(server)]
    node.tip = 10n
    await node.append(30)
    const running = node.sink(place.sink({ delivery: 'confirmed' }))
    const consumer = reader(place)
    const reaches = (height: bigint): Promise<unknown> => until(() => [...consumer.fold.chain.keys()].at(-1) === height, `it has ${height}`)
    await reaches(10n)
    await node.rewind(15n)
    await node.append(20, 1)
    node.tip = 25n
    await reaches(25n)
    expect(consumer.fold.hashes).to.deep.equal(node.hashes.slice(0, 25))
    expect(consumer.fold).to.deep.include({ rewinds: 0, complaints: [] })
    await node.rewind(20n)
    await node.append(30, 2)
    node.tip = 30n
    expect(await failing(running, 'conflict')).to.match(/block 25 was delivered as confirmed/)
    expect(consumer.fold.rewinds).to.equal(0)
  })
})

/** Ends the sessions of a writer, or lets nothing more through, at its n-th await. */
class Killer {
  struck = false
  #count = 0
  readonly #dead = new Promise<never>((_resolve, reject) => { this.#kill = () => { reject(new Error('killed')) } })
  #kill!: () => void

  constructor(private readonly at: number) { this.#dead.catch(() => undefined) }

  over(sink: Sink): Sink {
    return {
      ...sink,
      open: async ground => {
        await this.#step()
        const open = await sink.open(ground)
        return {
          gone: open.gone,
          last: async () => { await this.#step(); return this.#after(open.last()) },
          read: async sequence => { await this.#step(); return this.#after(open.read(sequence)) },
          append: async (message, expected) => { await this.#step(); return this.#after(open.append(message, expected)) },
          close: () => open.close(),
        } satisfies OpenSink
      },
    }
  }

  watch(source: OrderedSource): OrderedSource {
    return {
      ...source,
      rewinds: async (after, store) => { await this.#step(); return source.rewinds(after, store) },
      hashAt: async height => { await this.#step(); return source.hashAt(height) },
    }
  }

  /** The answer is an await of its own: what was asked is done, and it is not known. */
  async #after<T>(answer: Promise<T>): Promise<T> {
    const value = await answer
    await this.#step()
    return value
  }

  async #step(): Promise<void> {
    if (this.#count++ === this.at) {
      this.struck = true
      this.#kill()
    }
    if (this.struck) await this.#dead
  }
}

/** A sink whose answers may be lost. */
class Deaf implements Sink {
  isDeaf = false
  readonly #failures: (() => void)[] = []

  constructor(private readonly sink: Sink) {}
  get name() { return this.sink.name }
  get settings() { return this.sink.settings }

  async open(ground: Parameters<Sink['open']>[0]): Promise<OpenSink> {
    const open = await this.sink.open(ground)
    return {
      gone: open.gone, last: () => open.last(), read: sequence => open.read(sequence), close: () => open.close(),
      append: async (message, expected) => {
        const sequence = await open.append(message, expected)
        if (this.isDeaf) await new Promise((_resolve, reject) => { this.#failures.push(() => { reject(new Error('the answer was lost')) }) })
        return sequence
      },
    }
  }

  fail(): void {
    this.isDeaf = false
    for (const fail of this.#failures.splice(0)) fail()
  }
}
