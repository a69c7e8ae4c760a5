/** For whoever writes a sink: its test, and one in memory to compare with. The package's `./testing/sink`. */
export { sinkContract } from './contract.js'
export type { SinkTrial } from './contract.js'
export { MemorySink } from './memory.js'

// every type that a public signature mentions (test/types/exported.test.ts)
export type { SinkOptions, SinkSettings } from './config.js'
export { SinkError } from './errors.js'
export type { SinkErrorCode } from './errors.js'
export type { ExpectedLast, OpenSink, Sink, SinkGround, SinkMessage, StoredMessage } from './sink.js'
export type { Logger } from '../kernel/index.js'
