import type { BatchEvidence } from '../../protocol/secp256k1/index.js'
import type { ChainEvent } from '../chain/ports.js'
import type { DiscoveryEvent } from '../discovery/ingress.js'
import type { DriverEvent } from '../network/ingress.js'
import type { ReputationEvent } from '../reputation/ingress.js'
import type { SyncEvent } from '../sync/ingress.js'
import type { ConfirmationEvent } from '../schedule/confirmed/ingress.js'
import type { ScheduleEvent } from '../schedule/ingress.js'
import type { StoreEvent } from '../store/ingress.js'
import type { PublisherEvent } from './publisher.js'
import type { GateEvent } from './signing-gate.js'
import type { Lagged, Logger } from '../kernel/index.js'

/** What the node says of itself. */
export type NodeEvent =
  /** A part of the node failed, and its supervisor acted (H30). */
  | { readonly type: 'actorFailed'; readonly actor: string; readonly error: unknown }
  | { readonly type: 'actorRestarted'; readonly actor: string }
  /**
   * The module for batches of signatures accepted one that recovery does not give to its signer: it is off from now on, and every
   * signature is recovered. The evidence is in the log and in the store too.
   */
  | { readonly type: 'batchAlarm'; readonly evidence: BatchEvidence }

/** Everything that an application hears of the network, told apart by `type`. */
export type NetworkEvent = DriverEvent | ChainEvent | SyncEvent | ReputationEvent | DiscoveryEvent | PublisherEvent | ScheduleEvent | ConfirmationEvent | StoreEvent | GateEvent | NodeEvent

/** Events that carry no data of the chain. They wait in a lane of their own, so that they cannot crowd data out (H21). */
const notices: ReadonlySet<NetworkEvent['type']> = new Set<NetworkEvent['type']>([
  'refused', 'violation', 'served', 'rejected', 'actorFailed', 'actorRestarted', 'storeFailing', 'storeRecovered', 'recordDamaged', 'recordsLost', 'ownEquivocation', 'signingReady',
  'scheduleFailed', 'syncProgress', 'peerFault', 'greylisted', 'discovered', 'bootnodeFailed', 'scheduleFresh', 'scheduleReorg', 'tipConfirmed', 'tipFresh',
])

export const laneOf = (event: NetworkEvent): 'data' | 'notice' => notices.has(event.type) ? 'notice' : 'data'

const ofSync: ReadonlySet<NetworkEvent['type']> = new Set<SyncEvent['type']>([
  'syncStarted', 'syncProgress', 'syncDone', 'syncFailed', 'peerFault', 'unheard', 'gapFailed',
])

export const isSyncEvent = (event: { readonly type: string }): event is SyncEvent =>
  ofSync.has(event.type as NetworkEvent['type'])

/** What an event holds in memory, bytes: only what a remote can make large. */
export const weightOf = (event: NetworkEvent): number => event.type === 'txList' ? event.txList.length : 0

/** What an application's handler may take: a function an event, all optional. */
export type P2pHandler = {
  readonly [T in NetworkEvent['type']]?: (event: Extract<NetworkEvent, { readonly type: T }>) => void | Promise<void>
} & {
  /** The handler was too slow: so many events of its subscription were dropped (H20). */
  readonly lagged?: (count: number) => void | Promise<void>
  /** A function of an event threw. Without this, or where it throws too, the failure goes to the log. The node goes on. */
  readonly failed?: (error: unknown, event: NetworkEvent) => void | Promise<void>
}

/**
 * Hands every event to the handler's function of its name, one at a time, until there are no more. Nothing it throws ends this.
 */
export async function handleAll(events: AsyncIterable<NetworkEvent | Lagged>, handler: P2pHandler, log: Logger): Promise<void> {
  for await (const event of events) {
    try {
      await handle(event, handler)
    } catch (error) {
      log.error({ error, event: event.type }, 'the application\'s handler failed')
    }
  }
}

async function handle(event: NetworkEvent | Lagged, handler: P2pHandler): Promise<void> {
  if (event.type === 'lagged') {
    await handler.lagged?.(event.count)
    return
  }
  try {
    await (handler[event.type] as ((event: NetworkEvent) => void | Promise<void>) | undefined)?.(event)
  } catch (error) {
    if (handler.failed === undefined) throw error
    await handler.failed(error, event)
  }
}
