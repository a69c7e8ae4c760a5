import { sinkSettings } from './config.js'
import type { SinkOptions } from './config.js'
import { SinkError } from './errors.js'
import type { ExpectedLast, OpenSink, Sink, SinkMessage, StoredMessage } from './sink.js'

/** A sink in memory, for tests: what every sink has to do, without an engine. Several writers may open it. */
export class MemorySink implements Sink {
  readonly name = 'memory'
  readonly settings
  /** What is there, by sequence − 1. */
  readonly messages: StoredMessage[] = []
  /** Set: it fails with this, whatever is asked. */
  failing: SinkError | undefined
  readonly #sessions = new Set<(reason: Error) => void>()

  constructor(options: SinkOptions = {}) { this.settings = sinkSettings(options) }

  async open(): Promise<OpenSink> {
    if (this.failing !== undefined) throw this.failing
    let lose!: (reason: Error) => void
    const gone = new Promise<Error>(resolve => { lose = resolve })
    this.#sessions.add(lose)
    let isOpen = true
    void gone.then(() => { isOpen = false })
    const there = async (): Promise<void> => {
      await Promise.resolve()
      if (!isOpen) throw new SinkError('away', 'the session is over')
      if (this.failing !== undefined) throw this.failing
    }
    return {
      gone,
      last: async () => { await there(); return this.messages.at(-1) },
      read: async sequence => { await there(); return this.messages[sequence - 1] },
      append: async (message, expected) => { await there(); return this.#append(message, expected) },
      close: async () => {
        isOpen = false
        this.#sessions.delete(lose)
      },
    }
  }

  /** Ends every session, as a lost connection does. */
  lose(): void {
    for (const lose of this.#sessions) lose(new SinkError('away', 'the connection was lost'))
    this.#sessions.clear()
  }

  #append(message: SinkMessage, { sequence, id }: ExpectedLast): number {
    const last = this.messages.at(-1)
    if ((last?.sequence ?? 0) !== sequence || (id !== undefined && last?.id !== id)) throw new SinkError('refused', `the last message is ${last?.sequence ?? 0}`, sequence)
    this.messages.push({ ...message, sequence: sequence + 1 })
    return sequence + 1
  }
}
