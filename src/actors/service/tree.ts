import type { Broadcast, Port, Supervisor, SupervisorEvent } from '../kernel/index.js'
import { seconds, supervisor } from '../kernel/index.js'
import { chain } from '../chain/index.js'
import { Chain } from '../chain/ingress.js'
import { loadIdentity, network } from '../network/index.js'
import { NetworkHandle } from '../network/ingress.js'
import { store } from '../store/index.js'
import { Store } from '../store/ingress.js'
import { sync } from '../sync/index.js'
import { Sync } from '../sync/ingress.js'
import { validator } from '../validator/index.js'
import { Validator } from '../validator/ingress.js'
import type { FilledConfig } from './config.js'
import type { NetworkEvent } from './events.js'
import { Publisher, publisher } from './publisher.js'

/** The running parts, as the façade holds them. */
export interface Tree {
  readonly supervisor: Supervisor
  readonly store: Store
  readonly chain: Chain
  readonly validator: Validator
  readonly network: NetworkHandle
  readonly sync: Sync
  readonly publisher: Publisher
}

/** How long the whole node may take to stop: exchanges under way (at most 15 s, SPEC §8) end first. */
const STOP_WITHIN = seconds(25)

/**
 * The house (DESIGN.md, The rooms). Every mailbox exists before anything starts, so the parts can be wired in any order: calls
 * go service → sync → network → validator → chain → store; what flows back goes through ports.
 */
export function buildTree(config: FilledConfig, events: Broadcast<NetworkEvent>): Tree {
  const { clock, random, log } = config
  const port: Port<NetworkEvent> = { send: event => { events.publish(event); return 'ok' } }
  const root = supervisor('p2p', { strategy: 'one_for_one', clock, random, log, stopWithin: STOP_WITHIN, onEvent: report(events) })

  const storing = root.child('store', () => store({ chain: handles.chain, answers: handles.networkPort }, { dataDir: config.dataDir }))
  const judging = root.child('chain', () => chain({
    store: handles.store, verdicts: handles.networkPort, answers: handles.networkPort, judged: handles.syncPort, ownJudged: handles.publisherPort,
    gaps: handles.syncPort, outcomes: { send: () => 'ok' }, events: port, schedule: config.schedule, rules: config.rules,
  }, { ...config.chain, confirmedTip: config.confirmedTip }))
  const checking = root.child('validator', () => validator({ chain: handles.chain }, { ...config.validator, domain: config.domain, slasher: config.slasherAddress }))
  const publishing = root.child('publisher', () => publisher({ validator: handles.validator, network: handles.network, events: port }))
  // When the driver restarts, its peers are gone: what asks them starts anew with it.
  const outward = root.tree('outward', { strategy: 'rest_for_one', clock, random, log, onEvent: report(events) })
  const driving = outward.child('network', () => network({
    validator: handles.validator, chain: handles.chain, store: handles.store, events: { send: event => { events.publish(event); return handles.sync.driver(event) } },
  }, { ...config.network, chainId: config.chainId, listen: config.listen, staticPeers: config.staticPeers, keyFile: config.keyFile, dataDir: config.dataDir }))
  const syncing = outward.child('sync', () => sync({
    network: handles.network, validator: handles.validator, chain: handles.chain, store: handles.store, outcomes: { send: () => 'ok' }, events: port,
  }, config.sync ?? {}))

  const handles = {
    store: new Store(storing), chain: new Chain(judging), validator: new Validator(checking), publisher: new Publisher(publishing),
    network: new NetworkHandle(driving), sync: new Sync(syncing), networkPort: driving, syncPort: syncing, publisherPort: publishing,
  }
  return { supervisor: root, ...handles }
}

const report = (events: Broadcast<NetworkEvent>) => (event: SupervisorEvent): void => {
  if (event.type === 'failed') events.publish({ type: 'actorFailed', actor: event.path, error: event.error, action: event.action })
}
