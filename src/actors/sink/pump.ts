import { codeOf, messageOf as textOf } from '../../protocol/thrown.js'
import { backoffMs } from '../kernel/index.js'
import type { Backoff, Clock, Logger, Random } from '../kernel/index.js'
import { largestPayload } from './config.js'
import { ConfirmedOnly } from './confirmed.js'
import { SinkError } from './errors.js'
import type { SinkFigures, SinkState } from './ingress.js'
import { Items } from './items.js'
import { messageOf, writerOf } from './message.js'
import type { OrderedSource } from './ports.js'
import { isOurs, placeOf, resumeBehind } from './resume.js'
import type { OpenSink, Sink, StoredMessage } from './sink.js'
import { Window } from './window.js'

export interface PumpNeeds {
  readonly sink: Sink
  readonly source: OrderedSource
  readonly chainId: bigint
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const RETRY: Backoff = { firstMs: 100, maxMs: 5_000, factor: 2, jitter: 0.3 }
/** How often a standby looks whether the writer writes, and one that is behind whether it is not any more, ms. */
const LOOK_EVERY = 1_000
/** How often the confirmed tip is looked at while a block waits for it, ms. */
const TIP_EVERY = 250

/**
 * Follows the ordered stream from the last message of the sink on, and appends. It keeps nothing itself: where to go on, the sink's last message
 * says. On any doubt (an append refused, no answer, a lost connection) the session ends, and the next one reads the last message again. While the
 * sink takes nothing, nothing is read.
 */
export class Pump {
  #state: SinkState = 'connecting'
  #failing: SinkFigures['failing']
  #failures = 0
  #writer = 0
  #sequence = 0
  #height: bigint | undefined
  #published = 0
  #refused = 0
  #takeovers = 0
  #sessions = 0
  #window: Window | undefined
  /** The last append failed: only one that does not says that all is well. */
  #stuck = false

  constructor(private readonly needs: PumpNeeds) {}

  get figures(): SinkFigures {
    return {
      name: this.needs.sink.name, state: this.#state, failing: this.#failing, writer: this.#writer === 0 ? undefined : this.#writer, sequence: this.#sequence,
      height: this.#height, inFlight: this.#window?.inFlight ?? 0, published: this.#published, refused: this.#refused, takeovers: this.#takeovers, sessions: this.#sessions,
    }
  }

  /** Until the signal. Never rejects for what the sink or the store does. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, random } = this.needs
    while (!signal.aborted) {
      try {
        await this.#session(signal)
      } catch (error) {
        if (signal.aborted) return
        const code = codeOf(error) ?? 'failed'
        if (this.#failing?.code !== code) log.warn({ error, sink: this.needs.sink.name }, 'the sink takes nothing: it is tried again, and nothing is lost meanwhile')
        this.#failing = { code, message: textOf(error) }
        this.#state = 'failing'
        await this.#pause(backoffMs(this.#failures++, RETRY, random), signal)
      }
    }
  }

  async #session(signal: AbortSignal): Promise<void> {
    const { sink, source, chainId, log } = this.needs
    this.#sessions++
    const ended = new AbortController()
    const all = AbortSignal.any([signal, ended.signal])
    const open = await sink.open({ chainId, largestPayload: largestPayload(sink.settings), log, signal: all })
    void open.gone.then(reason => { ended.abort(reason) })
    try {
      let last = await open.last()
      // Nobody else has written last: there is no silence to wait for.
      let mine = last === undefined || await isOurs(placeOf(last), source)
      for (;;) {
        all.throwIfAborted()
        this.#seen(last)
        const start = await resumeBehind(last, source, open, sink.settings.from)
        if (start === 'behind') {
          this.#state = 'behind'
          this.#went()
          await this.#pause(LOOK_EVERY, all)
        } else {
          const items = new Items(source, start, sink.settings, this.#settled(last, all), all)
          try {
            if (!mine && !await this.#standBy(open, last, items, all)) items.leave()
            else await this.#write(open, last, items, mine, all)
          } finally {
            items.leave()
          }
        }
        all.throwIfAborted()
        last = await open.last()
        mine = last === undefined || (writerOf(last) === this.#writer && await isOurs(placeOf(last), source))
      }
    } finally {
      ended.abort()
      this.#window = undefined
      await open.close()
    }
  }

  /** Waits for an item that the writer does not write. False: there is a new last message. */
  async #standBy(open: OpenSink, last: StoredMessage | undefined, items: Items, signal: AbortSignal): Promise<boolean> {
    const { clock, sink, log } = this.needs
    this.#state = 'standby'
    this.#went()
    await items.peek()
    const since = clock.monotonic()
    while ((await open.last())?.sequence === last?.sequence) {
      signal.throwIfAborted()
      const silent = clock.monotonic() - since
      if (silent >= sink.settings.takeoverAfter) {
        this.#takeovers++
        log.warn({ sink: sink.name, sequence: last?.sequence ?? 0, silentMs: Math.round(silent) }, 'the writer is silent: this node takes over')
        return true
      }
      await this.#pause(Math.min(LOOK_EVERY, sink.settings.takeoverAfter - silent), signal)
    }
    return false
  }

  /** Appends item after item until one is refused. @throws what else goes wrong */
  async #write(open: OpenSink, last: StoredMessage | undefined, items: Items, mine: boolean, signal: AbortSignal): Promise<void> {
    const { sink, log } = this.needs
    this.#state = 'writing'
    const before = last === undefined ? 0 : writerOf(last)
    if (!mine || this.#writer === 0 || this.#writer !== before) this.#writer = before + 1
    const writer = this.#writer
    const window = this.#window = new Window(sink.settings.inFlight, () => { items.leave() })
    let expected = { sequence: last?.sequence ?? 0, id: undefined as string | undefined }
    for (;;) {
      if (!items.ready && window.inFlight === 0) this.#went()
      const item = await items.take()
      if (item === undefined) break
      const message = messageOf(item, writer, sink.settings)
      const height = item.kind === 'block' ? item.blockNumber : item.to
      await window.room(message.payload.length)
      if (window.failure !== undefined || signal.aborted) break
      const [behind, isFirst] = [expected, expected.id === undefined]
      const appended = window.add(message.payload.length, open.append(message, behind), sequence => {
        if (isFirst ? sequence <= behind.sequence : sequence !== behind.sequence + 1) {
          throw new SinkError('refused', `the message after ${behind.sequence} is ${sequence}`, sequence)
        }
        this.#published++
        this.#sequence = sequence
        this.#height = height
        this.#stuck = false
        this.#went()
      })
      // Behind what was there before, a sequence may be left out.
      if (isFirst) expected = { sequence: await appended ?? behind.sequence, id: message.id }
      else expected = { sequence: behind.sequence + 1, id: message.id }
    }
    await window.settled()
    if (window.failure === undefined) return
    const now = codeOf(window.failure) === 'refused' ? await open.last() : last
    if (now?.sequence === last?.sequence) {
      this.#stuck = true
      throw window.failure
    }
    this.#refused++
    log.warn({ sink: sink.name, expected: expected.sequence, last: now?.sequence ?? 0, writer, by: now === undefined ? 0 : writerOf(now) },
      'an append was refused: another one writes, or an answer was lost; the last message is read again')
  }

  #settled(last: StoredMessage | undefined, signal: AbortSignal): ConfirmedOnly | undefined {
    const { sink, source } = this.needs
    if (sink.settings.delivery === 'instant') return undefined
    return new ConfirmedOnly(source, last === undefined ? undefined : placeOf(last).blockNumber, () => this.#pause(TIP_EVERY, signal))
  }

  /** What is there by the last message. */
  #seen(last: StoredMessage | undefined): void {
    this.#sequence = last?.sequence ?? 0
    this.#height = last === undefined ? undefined : placeOf(last).blockNumber
  }

  /** Whatever was wrong is over. */
  #went(): void {
    if (this.#stuck) return
    if (this.#failing !== undefined) this.needs.log.info({ sink: this.needs.sink.name }, 'the sink works again')
    this.#failing = undefined
    this.#failures = 0
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.needs
    await new Promise<void>(resolve => {
      if (signal.aborted) { resolve(); return }
      const over = (): void => {
        clock.clearTimeout(timer)
        signal.removeEventListener('abort', over)
        resolve()
      }
      const timer = clock.setTimeout(over, ms)
      signal.addEventListener('abort', over, { once: true })
    })
  }
}
