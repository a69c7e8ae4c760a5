import type { Msg, MsgHdrs, NatsConnection, Subscription } from '@nats-io/transport-node'
import { SinkError } from '../errors.js'
import { ANSWER_WITHIN, apiError } from './connecting.js'

interface Waiting { readonly resolve: (sequence: number) => void; readonly reject: (error: SinkError) => void; readonly since: number }

/** What JetStream answers to a publish. */
interface Ack { readonly seq?: number; readonly error?: { readonly err_code?: number; readonly description?: string } }

/**
 * Publishes, and their acknowledgements over one inbox: the client's own `publish` makes a request of each, with a timer of its own, which takes
 * longer than the publish (npm run bench -- sink).
 */
export class AcknowledgedPublishes {
  readonly #waiting = new Map<number, Waiting>()
  readonly #inbox: string
  readonly #subscription: Subscription
  #sent = 0
  #timer: NodeJS.Timeout | undefined

  constructor(private readonly connection: NatsConnection, inbox: string, private readonly clock: { monotonic(): number }) {
    this.#inbox = inbox
    this.#subscription = connection.subscribe(`${inbox}.*`, { callback: (_error, message) => { this.#answered(message) } })
    void connection.closed().then(() => { this.close() })
  }

  /** Resolves with the sequence. @throws SinkError */
  publish(subject: string, payload: Uint8Array, headers: MsgHdrs): Promise<number> {
    const number = ++this.#sent
    return new Promise<number>((resolve, reject) => {
      this.connection.publish(subject, payload, { reply: `${this.#inbox}.${number}`, headers })
      this.#waiting.set(number, { resolve, reject, since: this.clock.monotonic() })
      this.#timer ??= setTimeout(this.#look, ANSWER_WITHIN)
    })
  }

  /** What is not answered is not answered any more. */
  close(): void {
    clearTimeout(this.#timer)
    this.#subscription.unsubscribe()
    this.#failAll(new SinkError('away', 'the connection is over'))
  }

  #answered(message: Msg): void {
    const number = Number(message.subject.slice(this.#inbox.length + 1))
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) return
    this.#waiting.delete(number)
    // Nothing takes this subject: the stream is gone, or JetStream is off.
    if (message.headers?.code === 503) { waiting.reject(new SinkError('gone', 'the stream did not take a message: there is none of its subject')); return }
    try {
      const { seq, error } = message.json<Ack>()
      if (error !== undefined) waiting.reject(apiError(error.err_code, error.description))
      else if (typeof seq === 'number' && seq > 0) waiting.resolve(seq)
      else waiting.reject(new SinkError('failed', 'the stream did not take a message: its answer has no sequence'))
    } catch (cause) {
      waiting.reject(new SinkError('failed', 'the stream did not take a message: its answer is no JSON', undefined, { cause }))
    }
  }

  /** Answers come in order, so the oldest tells. */
  readonly #look = (): void => {
    this.#timer = undefined
    const [oldest] = this.#waiting.values()
    if (oldest === undefined) return
    const left = ANSWER_WITHIN - (this.clock.monotonic() - oldest.since)
    if (left > 0) this.#timer = setTimeout(this.#look, left)
    else this.#failAll(new SinkError('timeout', `the stream did not answer within ${ANSWER_WITHIN} ms`))
  }

  #failAll(error: SinkError): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
