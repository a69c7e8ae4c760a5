import type { ConsumerMessages, JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { StoredMessage } from '../actors/sink/sink.js'
import { ANSWER_WITHIN, connectTo, natsClient, sinkErrorOf } from '../actors/sink/nats/connecting.js'
import type { NatsReach } from '../actors/sink/nats/connecting.js'
import { storedOf } from '../actors/sink/nats/nats-sink.js'

/** Messages that are fetched ahead of a reader. */
const AHEAD = 256

/** One connection of a consumer. Whatever fails ends it. */
export class Session {
  #messages: ConsumerMessages | undefined

  private constructor(
    readonly connection: NatsConnection, readonly js: JetStreamClient, readonly jsm: JetStreamManager, private readonly stream: string, private readonly subject: string,
  ) {}

  /** @throws SinkError */
  static async open(reach: NatsReach, stream: string, subject: string): Promise<Session> {
    const { streams } = await natsClient()
    const connection = await connectTo(reach, `preconfirmation-p2p consumer of ${subject}`)
    try {
      return new Session(connection, streams.jetstream(connection, { timeout: ANSWER_WITHIN }), await streams.jetstreamManager(connection, { timeout: ANSWER_WITHIN }), stream, subject)
    } catch (error) {
      await connection.close()
      throw sinkErrorOf(error, 'JetStream does not answer')
    }
  }

  /** The sequences that are kept; `last` < `first`: none is. */
  async range(): Promise<{ readonly first: number; readonly last: number }> {
    const { state } = await this.jsm.streams.info(this.stream)
    return { first: Math.max(1, state.first_seq), last: state.last_seq }
  }

  async read(sequence: number): Promise<StoredMessage | undefined> {
    const message = await this.jsm.streams.getMessage(this.stream, { seq: sequence })
    return message === null ? undefined : storedOf(message)
  }

  /** Messages from a sequence on, in order, as they come. Ends with the connection. */
  async * from(sequence: number): AsyncGenerator<StoredMessage, void, undefined> {
    const { streams } = await natsClient()
    const consumer = await this.js.consumers.get(this.stream, { filter_subjects: this.subject, deliver_policy: streams.DeliverPolicy.StartSequence, opt_start_seq: sequence })
    const messages = this.#messages = await consumer.consume({ max_messages: AHEAD, abort_on_missing_resource: true })
    void this.connection.closed().then(() => { messages.stop() })
    try {
      for await (const message of messages) yield storedOf({ seq: message.seq, data: message.data, header: message.headers })
    } finally {
      messages.stop()
    }
  }

  async close(): Promise<void> {
    this.#messages?.stop()
    await this.connection.close().catch(() => undefined)
  }
}
