import { actor, mailbox, reject } from '../kernel/index.js'
import type { ActorSpec, Ask } from '../kernel/index.js'
import type { P2pConfig } from './config.js'
import type { P2pService } from './service.js'

/** Asks for the running node. After a restart the actor answers with a new one. */
export type ServiceMessage = Ask<'service', object, P2pService>

/**
 * A whole node as one actor, for an application's own supervisor:
 * `app.child('p2p', () => P2pService.actor(config), { stopWithin: seconds(30) })`.
 * When the node's own supervisors give up, this actor fails, and the application's strategy decides.
 */
export const serviceActor = (
  config: P2pConfig, starter: { start(config: P2pConfig): Promise<P2pService> },
): ActorSpec<ServiceMessage, P2pService> => actor<ServiceMessage, P2pService>({
  name: 'p2p',
  mailbox: mailbox<ServiceMessage>({ capacity: 64, whenFull: { service: reject('the caller is told') } }),
  async init(ctx) {
    const service = await starter.start({ clock: ctx.clock, random: ctx.random, log: ctx.log, ...config })
    void service.ended.then(end => { if (end.reason === 'escalated') ctx.fail(end.error) })
    return service
  },
  receive: { service: service => service },
  stop: service => service.stop(),
})
