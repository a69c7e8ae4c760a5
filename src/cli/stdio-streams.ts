import { setImmediate } from 'node:timers/promises'
import type { BlocksOptions, StreamItem } from '../actors/service/index.js'
import { errorToJson } from '../operate/json.js'
import type { LineOutput } from './stdio-output.js'
import { itemLine } from '../operate/event-lines.js'
import { CommandError } from '../operate/parameters.js'

/** Ordered streams that a session may have open at a time. */
export const MAX_STREAMS = 16

interface Stream {
  readonly ended: AbortController
  /** Items that may still be sent; infinite where the reader set no credit. */
  credit: number
  /** Wakes the stream when it was given credit, or ended. */
  wake: () => void
  done: Promise<void>
}

/**
 * The ordered streams of one session (docs/stdio.md, `blocks`). An item is read only when there is credit for it and the output
 * has room, so a slow reader costs one item of memory a stream.
 */
export class BlockStreams {
  readonly #streams = new Map<string, Stream>()
  #opened = 0

  constructor(
    private readonly node: { blocks(options: BlocksOptions): AsyncGenerator<StreamItem, void, undefined> },
    private readonly output: LineOutput,
  ) {}

  /** Gives the stream's name; items follow later. @throws CommandError `too_many_streams`, ServiceError `bad_cursor` */
  open(options: { readonly from: bigint | string; readonly withTxList: boolean; readonly credit: number | undefined }): string {
    if (this.#streams.size >= MAX_STREAMS)
      throw new CommandError('too_many_streams', `a session has at most ${MAX_STREAMS} streams`, this.#streams.size, MAX_STREAMS)
    const { from, withTxList, credit = Infinity } = options
    const ended = new AbortController()
    const items = this.node.blocks({ from, withTxList, signal: ended.signal })
    const name = String(++this.#opened)
    const stream: Stream = { ended, credit, wake: () => undefined, done: Promise.resolve() }
    this.#streams.set(name, stream)
    stream.done = this.#run(name, stream, items).finally(() => this.#streams.delete(name))
    return name
  }

  /** Adds credit; returns how many items may still come. @throws CommandError `unknown_stream` */
  more(name: string, credit: number): number {
    const stream = this.#named(name)
    stream.credit += credit
    stream.wake()
    return stream.credit
  }

  /** Resolves when nothing of the stream follows any more. @throws CommandError `unknown_stream` */
  async end(name: string): Promise<void> {
    const stream = this.#named(name)
    stream.ended.abort()
    stream.wake()
    await stream.done
  }

  endAll(): void {
    for (const stream of this.#streams.values()) {
      stream.ended.abort()
      stream.wake()
    }
  }

  async #run(name: string, stream: Stream, items: AsyncGenerator<StreamItem, void, undefined>): Promise<void> {
    const { signal } = stream.ended
    let error: unknown
    // The answer to `blocks` goes out first.
    await setImmediate()
    try {
      for (;;) {
        while (stream.credit < 1 && !signal.aborted)
          await new Promise<void>(resolve => {
            stream.wake = resolve
          })
        const { value: item, done } = signal.aborted ? { value: undefined, done: true } : await items.next()
        if (done === true || item === undefined || signal.aborted) break
        stream.credit--
        await this.output.write(() => itemLine(name, item))
      }
    } catch (reason) {
      error = reason
    } finally {
      await items.return()
    }
    if (!signal.aborted)
      await this.output.write(() => ({
        event: 'streamEnded',
        stream: name,
        error: error === undefined ? null : errorToJson(error),
      }))
  }

  #named(name: string): Stream {
    const stream = this.#streams.get(name)
    if (stream === undefined) throw new CommandError('unknown_stream', 'there is no such stream', name.slice(0, 80))
    return stream
  }
}
