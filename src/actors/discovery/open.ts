import '../../polyfill.js'
import type { Context } from '../kernel/index.js'
import type { DiscoveryConfig } from './config.js'
import { openDiscv5 } from './discv5-node.js'
import type { DiscoveryInternal, DiscoveryMessage } from './ingress.js'
import { sameIp } from './ip.js'
import { KNOWN_META, KnownKeeper } from './known-keeper.js'
import { useNativeVerification } from './native-verify.js'
import { OurRecord, RECORD_META } from './our-record.js'
import { DiscoveryCore } from './core.js'
import type { DiscoveryNeeds } from './core.js'
import { RecordFilter } from './record-filter.js'

/** Starts discovery: binds the socket, restores our record and the saved peers. @throws DiscoveryError `bind_failed` */
export async function openDiscovery(ctx: Context<DiscoveryMessage, DiscoveryInternal>, needs: DiscoveryNeeds, config: DiscoveryConfig): Promise<DiscoveryCore> {
  const { network, store } = needs
  const verification = await useNativeVerification()
  if (verification !== 'secp256k1') ctx.log.warn({ verification }, 'the native secp256k1 did not load: ENRs are verified in JavaScript, about 20 times slower')
  const sound = new RecordFilter({
    family: config.listenIp.family,
    allows: (nodeId, reach) => room?.reach.allows(nodeId, reach) === true,
    isOwn: (ip, port) => port === node.port && sameIp(ip, config.listenIp),
  })
  let room: DiscoveryCore | undefined
  const node = await (needs.open ?? openDiscv5)({
    privateKey: config.privateKey, ip: config.listenIp, port: config.listen.port, packets: config.packets, clock: ctx.clock,
    isSound: record => sound.isSound(record),
    found: record => { void ctx.self.send({ type: 'found', record }) },
    threw: error => { ctx.log.debug({ error }, 'a packet made discv5 throw') },
    failed: error => { ctx.fail(error) },
  })
  try {
    const unanswered = (what: string) => (error: unknown): undefined => { ctx.log.warn({ error }, `discovery starts without ${what}`) }
    const [stored, known, listening] = await Promise.all([
      store.meta(RECORD_META, config.roomsWithin).catch(unanswered('our last ENR')),
      store.meta(KNOWN_META, config.roomsWithin).catch(unanswered('the saved peers')),
      network.addresses(config.roomsWithin).catch(unanswered('the addresses of libp2p')),
    ])
    const ours = new OurRecord({ ctx, config, store, node, stored }, listening?.addresses ?? [])
    room = new DiscoveryCore({ ctx, needs, config, node, ours, keeper: new KnownKeeper(ctx, store, config, known) })
    await node.start(await ours.begin())
    room.begin()
    return room
  } catch (error) {
    await node.stop()
    throw error
  }
}
