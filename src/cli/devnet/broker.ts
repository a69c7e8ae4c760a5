import { natsBlocks } from '../../consumer/index.js'
import { toHex } from '../../protocol/index.js'
import { messageOf } from '../../protocol/thrown.js'
import type { Piece } from './sequencer.js'

/** What a consumer of the broker has folded at the end. */
export interface BrokerSummary {
  readonly url: string
  readonly subject: string
  readonly blocks: number
  readonly rewinds: number
  /** Its blocks are those that were published, hash by hash. */
  readonly same: boolean
}

/** The broker of a run: two nodes write the ordered stream there, one stands by, and a consumer folds what comes. */
export class Broker {
  /** A run has a stream of its own, which stays. */
  readonly #stream = `DEVNET_${Date.now()}`
  readonly #subject = `devnet.${Date.now()}.blocks`
  readonly #chain = new Map<bigint, string>()
  readonly #left = new AbortController()
  #rewinds = 0
  #trouble: string | undefined
  #reading: Promise<void> = Promise.resolve()

  constructor(private readonly url: string) {}

  /** Options of a node that writes, or stands by. */
  get options(): readonly string[] { return ['--sink', this.url, '--sink-stream', this.#stream, '--sink-subject', this.#subject] }

  /** In one line. */
  get text(): string {
    const head = [...this.#chain.keys()].at(-1)
    const trouble = this.#trouble === undefined || head !== undefined ? '' : `, ${this.#trouble}`
    return `broker ${this.#subject}: ${this.#chain.size} blocks, head ${head ?? '-'}, ${this.#rewinds} rewinds${trouble}`
  }

  follow(): void {
    const items = natsBlocks({
      servers: this.url, stream: this.#stream, subject: this.#subject, signal: this.#left.signal,
      onTrouble: error => { this.#trouble = error.message },
    })
    this.#reading = (async () => {
      for await (const item of items) {
        if (item.kind === 'block') this.#chain.set(item.blockNumber, toHex(item.hash))
        if (item.kind !== 'rewind') continue
        this.#rewinds++
        for (const height of [...this.#chain.keys()]) if (height > item.to) this.#chain.delete(height)
      }
    })().catch((error: unknown) => { this.#trouble = messageOf(error) })
  }

  /** How far it has come, or true where it has everything. */
  has(pieces: readonly Piece[]): true | string { return this.summary(pieces).same ? true : this.text }

  summary(pieces: readonly Piece[]): BrokerSummary {
    const published = pieces.filter(({ kind }) => kind !== 'hand-over').map(({ hash }) => toHex(hash))
    const held = [...this.#chain.values()]
    return {
      url: this.url.replace(/\/\/.*@/, '//'), subject: this.#subject, blocks: held.length, rewinds: this.#rewinds,
      same: held.length === published.length && held.every((hash, at) => hash === published[at]),
    }
  }

  async close(): Promise<void> {
    this.#left.abort()
    await this.#reading
  }
}
