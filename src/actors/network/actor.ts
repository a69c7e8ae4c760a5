import { actor } from '../kernel/index.js'
import type { ActorSpec } from '../kernel/index.js'
import type { NetworkConfig } from './config.js'
import { NetworkDriver } from './driver.js'
import type { DriverNeeds } from './driver.js'
import { networkMailbox } from './ingress.js'
import type { NetworkCommand } from './ingress.js'

/** How often verdicts that are due are looked for, in milliseconds. */
const EXPIRE_EVERY_MS = 250

/**
 * The network actor: one `NetworkDriver` an incarnation. What takes time (requests, dials, publishing) is answered later, so that
 * verdicts and answers never wait behind it. A driver that fails crashes the actor, and its supervisor starts another.
 */
export function network(needs: DriverNeeds, config: NetworkConfig): ActorSpec<NetworkCommand, NetworkDriver> {
  return actor<NetworkCommand, NetworkDriver>({
    name: 'network',
    mailbox: networkMailbox,
    async init(ctx) {
      const driver = new NetworkDriver(config, needs, {
        clock: ctx.clock, random: ctx.random, log: ctx.log, children: () => ctx.children, failed: error => { ctx.fail(error) },
      })
      await driver.start()
      ctx.every('verdicts', EXPIRE_EVERY_MS)
      ctx.every('sweep', config.sweepEveryMs)
      return driver
    },
    receive: {
      publish: (driver, { topic, bytes }, ctx) => ctx.later(driver.publish(topic, bytes).then(recipients => ({ recipients }))),
      verdict: (driver, { messageId, verdict, reason, ofAuthor }) => { driver.verdict(messageId, verdict, reason, ofAuthor) },
      scheduleChanged: driver => { driver.scheduleChanged() },
      answer: (driver, { request, body }) => { driver.answer(request, body) },
      request: (driver, { kind, body, peer, exclude }, ctx) => ctx.later(driver.request(kind, body, { peer, exclude, signal: ctx.askSignal })),
      dial: (driver, { address }, ctx) => ctx.later(driver.dial(address, ctx.askSignal)),
      hangUp: (driver, { peer }, ctx) => ctx.later(driver.hangUp(peer)),
      peers: driver => driver.peers(),
      addresses: driver => driver.addresses(),
      figures: driver => driver.figures(),
      forgive: (driver, { peer }) => { driver.forgive(peer) },
      expel: (driver, { peer, reason }) => { driver.expel(peer, reason) },
      forgetScore: (driver, { peer }) => { driver.forgetScore(peer) },
      reviewConnections: driver => { driver.reviewConnections() },
    },
    timers: {
      verdicts: driver => { driver.expireVerdicts() },
      sweep: driver => { driver.sweep() },
    },
    stop: driver => driver.stop(),
  })
}
