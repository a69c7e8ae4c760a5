import { actor } from '../kernel/index.js'
import { syncConfig } from './config.js'
import type { SyncConfig } from './config.js'
import { syncMailbox } from './ingress.js'
import type { SyncInternal, SyncMessage, SyncTimers } from './ingress.js'
import { SyncCore } from './core.js'
import type { SyncNeeds } from './core.js'

export type { SyncNeeds } from './core.js'

/**
 * Range sync, missing parents and txlist backfill (SPEC §9). Keeps no state across restarts: chain says where to begin, the store says
 * what is missing. No handler awaits: answers of others come back as messages.
 * @throws SyncError `bad_config`
 */
export const sync = (needs: SyncNeeds, options: Partial<SyncConfig> = {}) => {
  const config = syncConfig(options)
  return actor<SyncMessage, SyncCore, SyncInternal, SyncTimers>({
    name: 'sync',
    mailbox: syncMailbox,
    init(ctx) {
      const room = new SyncCore(ctx, needs, config)
      ctx.every('round', config.roundEvery)
      ctx.every('progress', config.progressEvery)
      room.round('start')
      return room
    },
    receive: {
      judged(room, message) { room.desk.judged(message); room.pump() },
      durable(room, message) { room.desk.judged(message); room.pump() },
      missingParent(room, { hash, height, from }) { room.gaps.missing(hash, height, from); room.pump() },
      // arrives with every block: the timer that it sets is enough
      missingTxList(room, { hash, height, from, signer }) { room.backfill.missing(hash, height, from, signer) },
      haveTxList(room, { hash }) { room.backfill.have(hash) },
      peerReady(room, { peer, agent }) { room.peerReady(peer, agent); room.pump() },
      peerGone(room, { peer }) { room.peerGone(peer); room.pump() },
      cancel(room) { room.cancel(); room.pump() },
      sync(room, _message, ctx) {
        const result = room.sync(ctx.askSignal)
        room.pump()
        return ctx.later(result)
      },
      standing(room) { return room.describe() },
    },
    internal: {
      answered(room, { exchange, response }) { room.answered(exchange, response); room.pump() },
      unanswered(room, { exchange, error }) { room.unanswered(exchange, error); room.pump() },
      stood(room, { query, standing, error }, ctx) {
        if (standing === undefined) ctx.log.warn({ error }, 'chain did not say where it stands')
        room.desk.stood(query, standing)
        room.pump()
      },
      handed(room, { ticket, result }) { room.desk.handed(ticket, result); room.pump() },
      txListsMissing(room, { page }) { room.backfill.found(page); room.pump() },
      peersSeen(room, { peers }) { room.peersSeen(peers); room.pump() },
      gaveUp(room, { asker }) { room.gaveUp(asker); room.pump() },
    },
    timers: {
      round(room) { room.round('round'); room.pump() },
      progress(room) { room.progress() },
      pump(room) { room.woken() },
    },
  })
}
