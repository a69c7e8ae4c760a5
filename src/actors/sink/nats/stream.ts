import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { SinkError } from '../errors.js'
import { sinkErrorOf } from './connecting.js'

/** What the stream that takes one chain's blocks is made with. */
export interface StreamWishes {
  readonly name: string
  readonly subject: string
  /** Whether it is made where it is missing. */
  readonly create: boolean
  readonly replicas: number
}

/** How long a publish that is sent again is known by its id, ns. What is older, the expected sequence refuses. */
const DEDUPLICATE = 120_000_000_000
/** Headers and subject, bytes. */
const FRAME = 4_096

export const streamNameOf = (chainId: bigint): string => `PRECONF_${chainId}_BLOCKS`
export const subjectOf = (chainId: bigint): string => `preconf.${chainId}.blocks`

/** Makes the stream where it is missing, and checks what is there. @throws SinkError `misconfigured`: one line says what is wrong, and what to do */
export async function checkStream(connection: NatsConnection, jsm: JetStreamManager, wishes: StreamWishes, largestPayload: number): Promise<void> {
  const limit = connection.info?.max_payload ?? 0
  const needed = largestPayload + FRAME
  if (limit < needed) {
    throw wrong(`the server's max_payload is ${limit} bytes, ${needed} are needed: set max_payload in its configuration, or send txlists by hash (txLists: 'hash', --sink-txlists hash)`, limit)
  }
  const config = await streamConfig(jsm, wishes)
  const { name, subject, replicas } = wishes
  const is = (what: string, value: unknown, right: boolean, wanted: string): void => {
    if (!right) throw wrong(`stream ${name}: ${what} is ${String(value)}, it must be ${wanted}`, value)
  }
  is('subjects', config.subjects.join(', '), config.subjects.length === 1 && config.subjects[0] === subject, `${subject} alone: sequences of one subject count by one`)
  is('retention', config.retention, config.retention === 'limits', 'limits: other kinds remove what was read')
  is('max_msgs_per_subject', config.max_msgs_per_subject, config.max_msgs_per_subject === -1, '-1: all messages have one subject')
  is('max_msg_size', config.max_msg_size, config.max_msg_size === undefined || config.max_msg_size === -1 || config.max_msg_size >= needed, `-1, or ${needed} or more`)
  is('no_ack', config.no_ack, config.no_ack !== true, 'false: what is not acknowledged may be lost')
  is('sealed', config.sealed, !config.sealed, 'false')
  is('mirror', config.mirror?.name, config.mirror === undefined, 'unset: the sink writes to the origin')
  is('persist_mode', config.persist_mode, config.persist_mode !== 'async', 'the default: an acknowledged message must be written')
  is('num_replicas', config.num_replicas, config.num_replicas >= replicas, `${replicas} or more`)
}

async function streamConfig(jsm: JetStreamManager, { name, subject, create, replicas }: StreamWishes): Promise<StreamConfig> {
  try {
    return (await jsm.streams.info(name)).config
  } catch (error) {
    const failure = sinkErrorOf(error, `stream ${name}`)
    if (failure.code !== 'gone') throw failure
    if (!create) throw wrong(`there is no stream ${name}: nats stream add ${name} --subjects ${subject} --storage file --retention limits`, name, failure)
  }
  try {
    const config = { name, subjects: [subject], num_replicas: replicas, duplicate_window: DEDUPLICATE, allow_direct: true }
    return (await jsm.streams.add(config)).config
  } catch (error) {
    throw wrong(`stream ${name} cannot be made: ${sinkErrorOf(error, name).message}`, name, error)
  }
}

const wrong = (message: string, value: unknown, cause?: unknown): SinkError => new SinkError('misconfigured', message, value, { cause })
