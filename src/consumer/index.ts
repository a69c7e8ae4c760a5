/** Reads the ordered stream from a broker that a node's sink writes to (docs/sinks.md). Loads nothing of the node. The package's `./consumer`. */
import '../polyfill.js'

export { natsBlocks } from './nats-blocks.js'
export type { NatsBlocksOptions } from './nats-blocks.js'
export { CONSUMER_ERROR_CODES, ConsumerError } from './errors.js'
export type { ConsumerErrorCode } from './errors.js'

// every type that a public signature mentions (test/types/exported.test.ts)
export type { ScheduleAnswer, ScheduleResolver, UpcomingSigner } from '../actors/chain/index.js'
export type { SinkItem } from '../actors/sink/message.js'
export type { NatsReach, NatsTls } from '../actors/sink/nats/connecting.js'
export type { SignedCommitment } from '../protocol/index.js'
export type { StreamItem } from '../protocol/stream-item.js'
