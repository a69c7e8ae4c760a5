import type { Lagged, Logger } from '../kernel/index.js'
import type { NetworkEvent, P2pHandler } from './events.js'

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
