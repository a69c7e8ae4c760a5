export { actor } from './actor.js'
export type { ActorSpec, Answer, Context, Deferral, Later } from './actor.js'
export { boundary, fromWire, RemoteError, toWire } from './boundary.js'
export type { Boundary, CallsOf, Crossing, Direction, WireError } from './boundary.js'
export type { RestartOptions } from './budget.js'
export { backoffMs, hours, minutes, seconds, seededRandom, systemClock, systemRandom, withinMs } from './clock.js'
export type { Backoff, Clock, Random, TimerHandle } from './clock.js'
export {
  CancelledError, ClosedError, CrashedError, DroppedError, EscalatedError, InterruptedError, KernelError, StartError, TimeoutError,
} from './errors.js'
export { Broadcast } from './events.js'
export type { Lagged, SubscribeOptions } from './events.js'
export { Histogram } from './figures.js'
export type { ActorSnapshot, DropReason, Drops, HistogramSnapshot, Phase, Trace, TreeSnapshot } from './figures.js'
export { silentLogger } from './log.js'
export type { Logger } from './log.js'
export { coalesce, dropOldest, keep, mailbox, reject } from './mailbox.js'
export type { Feedback, MailboxSpec, Policy } from './mailbox.js'
export type { Ask, AskTypes, BodyOf, ByType, Message, ReplyOf } from './message.js'
export { Handle } from './ref.js'
export type { Deadline, Offered, OfferOptions, Port, Ref, Watchable } from './ref.js'
export { Ring } from './ring.js'
export { TurnScheduler } from './scheduler.js'
export type { Runnable, Scheduler } from './scheduler.js'
export { supervisor, treeActor } from './supervisor.js'
export type {
  Action, ChildOptions, Decision, Failure, Holder, Kind, PoolOptions, Strategy, Supervisor, SupervisorEvent, SupervisorOptions, Termination,
  TreeOptions,
} from './supervisor.js'
export { behaviour, crossesIn, crossesOut, HangWatch, ownFlags, Reviver, threadActor, threadBoundary } from './threads/index.js'
export type { Behaviour, ErrorClass, Samples, ThreadActor, ThreadBoundary, ThreadFlags, ThreadOptions } from './threads/index.js'

// every type that a public signature mentions (test/types/exported.test.ts)
export type { Handlers } from './actor.js'
export type { Codec as WireCodec, Fn as BoundaryFn, Methods as BoundaryMethods } from './boundary.js'
export type { ThreadSnapshot } from './figures.js'
export type { Entry as ThreadEntry, In as MessagesIn, Out as MessagesOut, Outgoing as OutgoingCall, SentTo, Tagged } from './threads/behaviour.js'
