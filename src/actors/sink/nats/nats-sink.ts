import type { JetStreamManager } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { systemClock } from '../../kernel/index.js'
import { sinkSettings } from '../config.js'
import type { SinkOptions } from '../config.js'
import { SinkError } from '../errors.js'
import type { ExpectedLast, OpenSink, Sink, SinkGround, SinkMessage, StoredMessage } from '../sink.js'
import { AcknowledgedPublishes } from './acknowledged.js'
import { ANSWER_WITHIN, connectTo, natsClient, parseServers, sinkErrorOf } from './connecting.js'
import type { NatsReach } from './connecting.js'
import { checkStream, streamNameOf, subjectOf } from './stream.js'
import type { StreamWishes } from './stream.js'

export interface NatsSinkOptions extends SinkOptions, NatsReach {
  /** Default `PRECONF_<chainId>_BLOCKS`. It has one subject. */
  readonly stream?: string
  /** Default `preconf.<chainId>.blocks`. */
  readonly subject?: string
  /** Whether the stream is made where it is missing. Default true. */
  readonly create?: boolean
  /** Copies that the stream must have; 1 by default, 3 in a cluster that is to lose a server without losing blocks. */
  readonly replicas?: number
}

/**
 * The ordered stream into NATS JetStream (docs/sinks.md): `await service.sink(natsSink({ servers: 'nats://broker:4222' }))`. Needs the packages
 * `@nats-io/transport-node` and `@nats-io/jetstream`.
 * @throws SinkError `bad_config`
 */
export function natsSink(options: NatsSinkOptions): Sink {
  const { servers } = parseServers(options.servers)
  const { replicas = 1, create = true } = options
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 5) throw new SinkError('bad_config', 'replicas is a number from 1 to 5', replicas)
  const wishesFor = (chainId: bigint): StreamWishes =>
    ({ name: options.stream ?? streamNameOf(chainId), subject: options.subject ?? subjectOf(chainId), create, replicas })
  return {
    name: `nats://${servers.join(',')}`,
    settings: sinkSettings(options),
    async open({ chainId, largestPayload }: SinkGround): Promise<OpenSink> {
      const { streams } = await natsClient()
      const wishes = wishesFor(chainId)
      const connection = await connectTo(options, `preconfirmation-p2p ${wishes.subject}`)
      try {
        const jsm = await streams.jetstreamManager(connection, { timeout: ANSWER_WITHIN })
        await checkStream(connection, jsm, wishes, largestPayload)
        return await OpenNats.over(connection, jsm, wishes)
      } catch (error) {
        await connection.close()
        throw sinkErrorOf(error, 'the stream cannot be opened')
      }
    },
  }
}

class OpenNats implements OpenSink {
  readonly gone: Promise<Error>

  private constructor(
    private readonly connection: NatsConnection, private readonly jsm: JetStreamManager, private readonly wishes: StreamWishes,
    private readonly publishes: AcknowledgedPublishes, private readonly makeHeaders: () => MsgHdrs,
  ) {
    this.gone = connection.closed().then(reason => sinkErrorOf(reason ?? 'closed', 'the connection was lost'))
  }

  static async over(connection: NatsConnection, jsm: JetStreamManager, wishes: StreamWishes): Promise<OpenNats> {
    const { core } = await natsClient()
    return new OpenNats(connection, jsm, wishes, new AcknowledgedPublishes(connection, core.createInbox(), systemClock), () => core.headers())
  }

  last(): Promise<StoredMessage | undefined> { return this.#read({ last_by_subj: this.wishes.subject }) }

  async read(sequence: number): Promise<StoredMessage | undefined> { return sequence < 1 ? undefined : this.#read({ seq: sequence }) }

  async append({ id, headers, payload }: SinkMessage, expected: ExpectedLast): Promise<number> {
    const { name, subject } = this.wishes
    const sent = this.makeHeaders()
    for (const [key, value] of Object.entries(headers)) sent.set(key, value)
    sent.set('Nats-Msg-Id', id)
    sent.set('Nats-Expected-Stream', name)
    sent.set('Nats-Expected-Last-Subject-Sequence', String(expected.sequence))
    // The id too: where one message of another writer came between, the sequence alone would let the next one but one through.
    if (expected.id !== undefined) sent.set('Nats-Expected-Last-Msg-Id', expected.id)
    try {
      return await this.publishes.publish(subject, payload, sent)
    } catch (error) {
      throw sinkErrorOf(error, 'the stream did not take a message')
    }
  }

  async close(): Promise<void> { await this.connection.close().catch(() => undefined) }

  async #read(query: { readonly last_by_subj: string } | { readonly seq: number }): Promise<StoredMessage | undefined> {
    try {
      // Of the leader, not of whichever copy answers first.
      const message = await this.jsm.streams.getMessage(this.wishes.name, query)
      return message === null ? undefined : storedOf(message)
    } catch (error) {
      throw sinkErrorOf(error, 'the stream could not be read')
    }
  }
}

/** A message of the stream as the client gives it, asked for by its sequence or delivered. */
export function storedOf({ seq, data, header }: { readonly seq: number; readonly data: Uint8Array; readonly header: MsgHdrs | undefined }): StoredMessage {
  const headers = headersOf(header)
  return { sequence: seq, id: headers['Nats-Msg-Id'] ?? '', headers, payload: data }
}

/** Headers with one value each. */
function headersOf(from: MsgHdrs | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const key of from?.keys() ?? []) headers[key] = from!.get(key)
  return headers
}
