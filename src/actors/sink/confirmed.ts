import { equalBytes } from '../../protocol/bytes.js'
import type { SinkItem } from './message.js'
import { SinkError } from './errors.js'
import type { OrderedSource } from './ports.js'

/** What is settled of a stream: blocks at or below the confirmed tip, in order, never a rewind. */
export class ConfirmedOnly {
  #tip = -1n
  /** The highest that was given. */
  #given: bigint

  /** @param given the height that the reader has; `undefined`: nothing @param pause waits a little */
  constructor(private readonly source: OrderedSource, given: bigint | undefined, private readonly pause: () => Promise<void>) { this.#given = given ?? -2n }

  /** Whether an item goes out: waits until it is settled, or no longer there. @throws SinkError `conflict` */
  async takes(item: SinkItem, signal: AbortSignal): Promise<boolean> {
    if (item.kind === 'rewind') {
      if (this.#given < 0n && item.reset === true) return true
      if (item.to >= this.#given) return false
      throw new SinkError('conflict', `block ${this.#given} was delivered as confirmed, and the chain goes back to ${item.to}`, item.to)
    }
    const height = item.kind === 'block' ? item.blockNumber : item.to
    if (height > this.#tip) {
      while ((this.#tip = await this.source.confirmedTip() ?? -1n) < height) {
        await this.pause()
        if (signal.aborted) return false
      }
      // What was rewound meanwhile, the stream tells next.
      if (item.kind === 'block') {
        const canonical = await this.source.hashAt(height)
        if (canonical === undefined || !equalBytes(canonical, item.hash)) return false
      }
    }
    this.#given = height
    return true
  }
}
