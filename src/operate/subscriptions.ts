/** What a connection to the socket follows: each message is a notification `preconf_subscription`. */
import { blockMessages, eventMessages } from './event-streams.js'
import type { Message } from './event-streams.js'
import { errorToJson } from './json.js'
import type { JsonObject } from './json.js'
import type { OperatedNode } from './methods.js'
import { CommandError } from './parameters.js'

/** Of one connection. */
const MAX_SUBSCRIPTIONS = 4

export class Subscriptions {
  readonly #open = new Map<string, AbortController>()
  #opened = 0

  /** @param gone aborted when the connection ends. @param write resolves when there is room for the next */
  constructor(private readonly node: Pick<OperatedNode, 'subscribe' | 'blocks'>, private readonly gone: AbortSignal, private readonly write: (notification: JsonObject) => Promise<void>) {}

  /** Every event from now on; a connection that does not read gets `lagged` with a count. @throws CommandError `too_many_streams` */
  events(): string { return this.#follow(signal => eventMessages(this.node.subscribe({ signal }))) }

  /** The ordered stream, at the reader's pace. @throws CommandError `too_many_streams`; ServiceError `bad_cursor` */
  blocks(from: bigint | string, withTxList: boolean): string { return this.#follow(signal => blockMessages(this.node.blocks({ from, withTxList, signal }))) }

  /** Whether there was one of this name. */
  end(name: string): boolean {
    this.#open.get(name)?.abort()
    return this.#open.delete(name)
  }

  #follow(open: (signal: AbortSignal) => AsyncIterable<Message>): string {
    if (this.#open.size >= MAX_SUBSCRIPTIONS) throw new CommandError('too_many_streams', `a connection has at most ${MAX_SUBSCRIPTIONS} subscriptions`, this.#open.size, MAX_SUBSCRIPTIONS)
    const ended = new AbortController()
    const signal = AbortSignal.any([ended.signal, this.gone])
    const messages = open(signal)
    const name = String(++this.#opened)
    this.#open.set(name, ended)
    void this.#tell(name, messages, signal)
    return name
  }

  async #tell(subscription: string, messages: AsyncIterable<Message>, signal: AbortSignal): Promise<void> {
    const tell = async (result: JsonObject): Promise<void> => this.write({ jsonrpc: '2.0', method: 'preconf_subscription', params: { subscription, result } })
    // the answer that names it goes out first
    await new Promise(resolve => { setImmediate(resolve) })
    try {
      for await (const { event, data } of messages) {
        if (signal.aborted) break
        await tell({ event, ...data })
      }
      if (!signal.aborted) await tell({ event: 'ended' })
    } catch (error) {
      if (!signal.aborted) await tell({ event: 'failed', error: errorToJson(error) })
    } finally {
      this.#open.delete(subscription)
    }
  }
}
