import '../../polyfill.js'
import { actor } from '../kernel/index.js'
import type { ActorSpec, Context } from '../kernel/index.js'
import type { DiscoveryConfig } from './config.js'
import { openDiscv5 } from './discv5-node.js'
import { discoveryMailbox } from './ingress.js'
import type { DiscoveryMessage } from './ingress.js'
import { sameIp } from './ip.js'
import { KNOWN_META, KnownKeeper } from './known-keeper.js'
import { useNativeVerification } from './native-verify.js'
import { OurRecord, RECORD_META } from './our-record.js'
import { Room } from './room.js'
import type { DiscoveryNeeds } from './room.js'
import { SoundRecords } from './sound.js'

export type { DiscoveryNeeds } from './room.js'

/**
 * Finds peers of our chain by discv5 and has the driver dial them, which asks the gate as for every other dial (SPEC §8). What it knows
 * of others is in its own memory and, for those that were ready once, in the store; a restart begins with these.
 * `init` fails with DiscoveryError `bind_failed` where the UDP port cannot be had; a socket that breaks later crashes the actor.
 */
export function discovery(needs: DiscoveryNeeds, config: DiscoveryConfig): ActorSpec<DiscoveryMessage, Room> {
  return actor<DiscoveryMessage, Room>({
    name: 'discovery',
    mailbox: discoveryMailbox,
    init: ctx => open(ctx, needs, config),
    receive: {
      driver(room, { event }) { room.driver(event) },
      enr: room => room.ours.text,
      figures: room => room.figures(),
      addBootnode(room, { bootnode }, ctx) {
        try {
          room.desk.add(bootnode)
        } catch (error) {
          return ctx.later(Promise.reject(error instanceof Error ? error : new Error(String(error))))
        }
        room.desk.round()
        return undefined
      },
      found(room, { record }) { room.found(record); room.pump() },
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

async function open(ctx: Context<DiscoveryMessage>, needs: DiscoveryNeeds, config: DiscoveryConfig): Promise<Room> {
  const { network, store } = needs
  const verification = await useNativeVerification()
  if (verification !== 'secp256k1') ctx.log.warn({ verification }, 'ENRs are verified in JavaScript: about 20 times slower')
  const sound = new SoundRecords({
    family: config.listenIp.family,
    reachable: reach => room?.reachable(reach) === true,
    isTrusted: nodeId => room?.isTrusted(nodeId) === true,
    isOwn: (ip, port) => port === node.port && sameIp(ip, config.listenIp),
  })
  let room: Room | undefined
  const node = await (needs.open ?? openDiscv5)({
    privateKey: config.privateKey, ip: config.listenIp, port: config.listen.port, packets: config.packets, clock: ctx.clock,
    isSound: record => sound.isSound(record),
    found: record => { void ctx.self.send({ type: 'found', record }) },
    threw: error => { ctx.log.debug({ error }, 'a packet made discv5 throw') },
    failed: error => { ctx.fail(error) },
  })
  try {
    const unanswered = (what: string) => (error: unknown): undefined => { ctx.log.warn({ error }, `${what} is not known at the start of discovery`) }
    const [stored, known, listening] = await Promise.all([
      store.meta(RECORD_META, config.roomsWithin).catch(unanswered('our last ENR')),
      store.meta(KNOWN_META, config.roomsWithin).catch(unanswered('whom we knew')),
      network.addresses(config.roomsWithin).catch(unanswered('where libp2p listens')),
    ])
    const ours = new OurRecord({ ctx, config, store, node, stored }, listening?.addresses ?? [])
    room = new Room({ ctx, needs, config, node, ours, keeper: new KnownKeeper(ctx, store, config, known) })
    await node.start(await ours.begin())
    room.begin()
    return room
  } catch (error) {
    await node.stop()
    throw error
  }
}
