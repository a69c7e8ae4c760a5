import { actor } from '../kernel/index.js'
import type { ActorSpec } from '../kernel/index.js'
import type { DiscoveryConfig } from './config.js'
import { discoveryMailbox } from './ingress.js'
import type { DiscoveryInternal, DiscoveryMessage } from './ingress.js'
import type { DiscoveryNeeds, DiscoveryCore } from './core.js'

export type { DiscoveryNeeds } from './core.js'

/**
 * Finds peers of our chain by discv5 and dials them through the driver, whose gater applies as to every dial (SPEC §8). Candidates are kept in
 * memory; peers that were ready once are saved in the store too, and a restart begins with them.
 * `init` fails with DiscoveryError `bind_failed` if the UDP port cannot be bound; a socket that fails later crashes the actor.
 */
export function discovery(needs: DiscoveryNeeds, config: DiscoveryConfig): ActorSpec<DiscoveryMessage, DiscoveryCore, DiscoveryInternal> {
  return actor<DiscoveryMessage, DiscoveryCore, DiscoveryInternal>({
    name: 'discovery',
    mailbox: discoveryMailbox,
    async init(ctx) {
      // discv5 is loaded here so that a node without discovery never loads it, and libp2p listens before it is loaded
      const { openDiscovery } = await import('./open.js')
      return openDiscovery(ctx, needs, config)
    },
    receive: {
      driver(room, { event }) { room.driver(event) },
      enr: room => room.ours.text,
      table: room => room.table(),
      figures: room => room.figures(),
      addBootnode(room, { bootnode }, ctx) {
        try {
          room.desk.add(bootnode)
        } catch (error) {
          return ctx.refuse(error)
        }
        room.desk.round()
        return undefined
      },
      found(room, { record }) { room.found(record); room.pump() },
    },
    internal: {
      lookedUp(room, { records }) { room.lookedUp(records); room.pump() },
      peersSeen(room, { peers }) { room.peersSeen(peers) },
      dialled(room, message) { room.dialled(message); room.pump() },
      pinged(room, { endpoint, record }) { room.pinged(record, endpoint) },
      bootnodeAsked(room, message) { room.bootnodeAsked(message) },
      recordStored(room, { error, record }) { room.recordStored(record, error) },
      knownSaved(room, { error }) { room.keeper.saved(error) },
    },
    timers: {
      round(room) { room.round() },
      save(room) { room.keeper.save() },
    },
    stop: room => room.stop(),
  })
}
