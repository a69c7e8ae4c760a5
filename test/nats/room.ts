import { randomUUID } from 'node:crypto'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { natsBlocks } from '../../src/consumer/index.js'
import type { NatsBlocksOptions } from '../../src/consumer/index.js'
import { natsSink } from '../../src/actors/sink/nats/nats-sink.js'
import type { NatsSinkOptions } from '../../src/actors/sink/nats/nats-sink.js'
import { until } from '../support/until.js'
import { Fold, sameChain } from '../sink/stage.js'
import type { StageNode } from '../sink/stage.js'
import type { NatsServer } from './server.js'

/** A stream of its own on a server. */
export class Place {
  readonly stream = `T_${randomUUID()}`
  readonly subject = `test.${randomUUID()}`

  constructor(readonly server: NatsServer) {}

  sink(options: Partial<NatsSinkOptions> = {}) { return natsSink({ servers: this.server.url, stream: this.stream, subject: this.subject, ...options }) }

  read(options: Partial<NatsBlocksOptions> = {}) { return natsBlocks({ servers: this.server.url, stream: this.stream, subject: this.subject, ...options }) }

  /** Over a connection of its own. */
  async manage<T>(work: (jsm: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>): Promise<T> {
    const connection = await connect({ servers: `127.0.0.1:${this.server.port}`, timeout: 10_000 })
    try {
      return await work(await jetstreamManager(connection))
    } finally {
      await connection.close()
    }
  }
}

/** A consumer that folds, and may leave and come back with what it has kept. */
export class FoldingConsumer {
  readonly fold = new Fold()
  cursor: string | undefined
  error: unknown
  #left = new AbortController()
  #reading: Promise<void> = Promise.resolve()

  constructor(private readonly place: Place, private readonly options: Partial<NatsBlocksOptions> = {}, private readonly each: () => Promise<void> | void = () => undefined) { this.attach() }

  attach(): void {
    this.#left = new AbortController()
    const items = this.place.read({ ...this.options, ...this.cursor !== undefined && { from: this.cursor }, signal: this.#left.signal })
    this.#reading = (async () => {
      for await (const item of items) {
        this.fold.add(item)
        this.cursor = item.cursor
        await this.each()
      }
    })().catch((error: unknown) => { this.error = error })
  }

  async leave(): Promise<void> {
    this.#left.abort()
    await this.#reading
  }

  /** Until what it has folded is the node's canonical chain. */
  async has(node: StageNode, ms = 60_000): Promise<void> {
    await until(() => {
      if (this.error !== undefined) throw this.error as Error
      return sameChain(this.fold, node)
    }, `the consumer has the chain: it has ${this.fold.hashes.length} blocks, the node ${node.chain.length}`, ms)
  }
}
