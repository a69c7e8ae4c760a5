import { Option } from 'commander'
import type { Command } from 'commander'
import type { Sink, SinkOptions } from '../actors/sink/index.js'
import { UsageError } from './options.js'

/** As commander gives them. */
export interface SinkCommandOptions {
  readonly sink?: string
  readonly sinkCredentials?: string
  readonly sinkDelivery?: NonNullable<SinkOptions['delivery']>
  readonly sinkTxlists?: NonNullable<SinkOptions['txLists']>
  readonly sinkEncoding?: NonNullable<SinkOptions['encoding']>
  readonly sinkStream?: string
  readonly sinkSubject?: string
}

/** The options of `run` that take the ordered stream to a broker. */
export function addSinkOptions(command: Command): Command {
  return command
    .option('--sink <url>', 'the ordered stream goes to NATS JetStream: nats://host:4222 or tls://host:4222, several separated by commas (docs/sinks.md)')
    .option('--sink-credentials <file>', 'a credentials file of NATS')
    .addOption(new Option('--sink-delivery <when>', 'each block as it comes, and rewinds; or once it is confirmed (default: instant)').choices(['instant', 'confirmed']))
    .addOption(new Option('--sink-txlists <how>', 'each block with its txlist, or with the txlist\'s hash alone (default: inline)').choices(['inline', 'hash']))
    .addOption(new Option('--sink-encoding <form>', 'payloads (default: ssz)').choices(['ssz', 'json']))
    .option('--sink-stream <name>', 'the stream (default: PRECONF_<chain id>_BLOCKS)')
    .option('--sink-subject <subject>', 'its one subject (default: preconf.<chain id>.blocks)')
}

/** The sink that the options name; `undefined`: none. @throws UsageError */
export async function sinkOf(options: SinkCommandOptions): Promise<Sink | undefined> {
  const { sink: servers, sinkCredentials: credentials, sinkDelivery: delivery, sinkTxlists: txLists, sinkEncoding: encoding, sinkStream: stream, sinkSubject: subject } = options
  const rest = Object.entries({ credentials, delivery, txLists, encoding, stream, subject }).filter(([, value]) => value !== undefined)
  if (servers === undefined) {
    if (rest.length > 0) throw new UsageError('--sink URL is missing: where the stream goes')
    return undefined
  }
  // Loaded only now: help does not need it.
  const { natsSink } = await import('../actors/sink/nats/nats-sink.js')
  try {
    return natsSink({ servers, ...Object.fromEntries(rest) })
  } catch (error) {
    throw new UsageError(`--sink: ${(error as Error).message}`)
  }
}
