import type { StreamItem } from '../../protocol/stream-item.js'
import type { SinkSettings } from './config.js'
import type { ConfirmedOnly } from './confirmed.js'
import type { SinkItem } from './message.js'
import type { OrderedSource } from './ports.js'
import type { Resumption } from './resume.js'

/** The items that are to be written from a place on, one at a time; nothing is read ahead of the one that is looked at. */
export class Items {
  readonly #left = new AbortController()
  readonly #items: AsyncGenerator<StreamItem, void, undefined>
  readonly #signal: AbortSignal
  #first: SinkItem | undefined
  #next: Promise<SinkItem | undefined> | undefined
  /** The next item is here already. */
  ready = false

  constructor(source: OrderedSource, start: Exclude<Resumption, 'behind'>, settings: SinkSettings, private readonly settled: ConfirmedOnly | undefined, until: AbortSignal) {
    this.#signal = AbortSignal.any([until, this.#left.signal])
    this.#items = source.blocks({ from: start.from, withTxList: settings.txLists === 'inline', signal: this.#signal })
    this.#first = start.first
  }

  /** The next item; `undefined`: there is none any more. It stays the next one. */
  peek(): Promise<SinkItem | undefined> {
    this.#next ??= this.#read().then(item => {
      this.ready = true
      return item
    })
    return this.#next
  }

  async take(): Promise<SinkItem | undefined> {
    const item = await this.peek()
    this.#next = undefined
    this.ready = false
    return item
  }

  /** Nothing more is read. */
  leave(): void {
    this.#left.abort()
    void this.#items.return().catch(() => undefined)
  }

  async #read(): Promise<SinkItem | undefined> {
    for (;;) {
      const item = this.#first ?? await this.#pull()
      this.#first = undefined
      if (item === undefined) return undefined
      if (this.settled === undefined || await this.settled.takes(item, this.#signal)) return this.#signal.aborted ? undefined : item
      if (this.#signal.aborted) return undefined
    }
  }

  async #pull(): Promise<SinkItem | undefined> {
    for (;;) {
      const { value } = await this.#items.next() as IteratorResult<StreamItem, undefined>
      if (value?.kind !== 'stalled') return value
    }
  }
}
