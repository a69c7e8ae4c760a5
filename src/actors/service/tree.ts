import { toHex } from '../../protocol/index.js'
import type { AddressedSigner } from '../../protocol/index.js'
import type { BatchEvidence } from '../../protocol/secp256k1/index.js'
import { seconds, supervisor } from '../kernel/index.js'
import type { Broadcast, Port, Ref, Supervisor, SupervisorEvent } from '../kernel/index.js'
import { chain, chainConfig } from '../chain/index.js'
import { Chain } from '../chain/ingress.js'
import type { ChainMessage } from '../chain/ingress.js'
import { discovery } from '../discovery/index.js'
import type { DiscoveryConfig } from '../discovery/index.js'
import { Discovery } from '../discovery/ingress.js'
import type { DiscoveryMessage } from '../discovery/ingress.js'
import { PendingResponses, loadLibp2p, network, publicKeyOf } from '../network/index.js'
import type { NetworkConfig, RefusedPeersNeeds } from '../network/index.js'
import { NetworkHandle } from '../network/ingress.js'
import type { DriverEvent, NetworkCommand } from '../network/ingress.js'
import { Schedule, confirmations, isFromL1, schedule } from '../schedule/index.js'
import { Confirmations } from '../schedule/confirmed/ingress.js'
import { StandingView, reputation } from '../reputation/index.js'
import type { ReputationConfig } from '../reputation/index.js'
import { Reputation } from '../reputation/ingress.js'
import type { ReputationMessage } from '../reputation/ingress.js'
import { STORE_CHILD, store } from '../store/index.js'
import { Store } from '../store/ingress.js'
import type { StoreMessage } from '../store/ingress.js'
import { sync } from '../sync/index.js'
import { Sync } from '../sync/ingress.js'
import type { SyncMessage } from '../sync/ingress.js'
import { PrewarmedPool, validator } from '../validator/index.js'
import type { ValidatorConfig } from '../validator/index.js'
import { Validator } from '../validator/ingress.js'
import type { ValidatorMessage } from '../validator/ingress.js'
import type { FilledConfig } from './config.js'
import type { NetworkEvent } from './events.js'
import { forecast } from './forecast.js'
import { Publisher, publisher } from './publisher.js'
import type { PublisherMessage } from './publisher.js'
import { SigningGate } from './signing-gate.js'
import type { GateEvent } from './signing-gate.js'
import { Sinks } from './sinks.js'
import { StoreOutage } from './store-outage.js'
import { Wake } from './wake.js'

/** The running parts, as the façade holds them. */
export interface Tree {
  readonly supervisor: Supervisor
  readonly store: Store
  readonly chain: Chain
  readonly validator: Validator
  readonly network: NetworkHandle
  readonly sync: Sync
  readonly reputation: Reputation
  /** `undefined` where it is off. */
  readonly discovery: Discovery | undefined
  readonly publisher: Publisher
  /** `undefined` without a signer. */
  readonly gate: SigningGate | undefined
  /** `undefined` where the schedule does not follow L1. */
  readonly schedule: Schedule | undefined
  /** `undefined` where the confirmed tip is not read from L2. */
  readonly confirmations: Confirmations | undefined
  /** The driver's own mailbox, for an application that commands it directly. */
  readonly commands: Port<NetworkCommand>
  /** Why the store is not there, where it is not. */
  readonly storeOutage: Pick<StoreOutage, 'failing'>
  /** Woken whenever a reader of the chain may find something new. */
  readonly news: Wake
  readonly sinks: Sinks
  /**
   * Starts the parts one after the other, as they stand on each other. What takes some of them long begins at once: the validator's
   * threads, and libp2p is loaded meanwhile. @throws StartError; then none of it is left
   */
  start(): Promise<void>
}

/** What the rooms are told whose options are checked, and whose keys are read, before anything starts. */
export interface RoomConfigs {
  readonly network: NetworkConfig
  /** `undefined`: off. */
  readonly discovery: DiscoveryConfig | undefined
  readonly reputation: ReputationConfig
  readonly validator: ValidatorConfig
  readonly signer: AddressedSigner | undefined
}

type Handles = Pick<Tree, 'store' | 'chain' | 'validator' | 'network' | 'sync' | 'reputation' | 'discovery'>

/** How long the whole node may take to stop: exchanges under way (at most 15 s, SPEC §8) end first. */
const STOP_WITHIN = seconds(25)
/** The driver's part of it. */
const NETWORK_STOP_WITHIN = seconds(20)

/** Discovery may fail for as long as it likes, such as on a port that is taken: the connections that there are do not end for it. */
const DISCOVERY_RESTARTS = { maxRestarts: 100, within: seconds(60), backoff: { firstMs: 1_000, maxMs: seconds(30), factor: 2, jitter: 0.2 } }

/** What a node without a data directory keeps: about a day, in the heap of the main thread. */
const MEMORY_LIMITS = { commitments: 43_200, referencedTxListBytes: 256 * 1024 ** 2 }

/** Where the driver keeps who has refused us. */
const REFUSALS = 'network.refusals'
/** How long the store may take for what the tree itself keeps there. */
const STORE_WITHIN = seconds(5)
/** Where the last evidence against batch verification is kept. */
const BATCH_ALARM = 'validator.batchAlarm'

/**
 * The house (README). Every mailbox exists before anything starts, so the parts can be wired in any order: calls go service → (sync,
 * discovery) → network → validator → chain → store, and what anybody finds of a peer goes to reputation; what flows back goes through ports.
 * A part that fails is started again alone; when the driver restarts, its peers are gone, and sync and discovery start anew with it.
 */
export function buildTree(config: FilledConfig, configs: RoomConfigs, events: Broadcast<NetworkEvent>): Tree {
  const { discovery: discoveryConfig, signer } = configs
  const { clock, random, log } = config
  const onEvent = (event: SupervisorEvent): void => {
    report(event, events)
    storeOutage.see(event)
  }
  const root = supervisor('p2p', { strategy: 'one_for_one', clock, random, log, stopWithin: STOP_WITHIN, onEvent })

  const storeOutage = new StoreOutage('p2p/store', told => { events.publish(told) })
  const standing = new StandingView()
  const threads = new PrewarmedPool()
  const answers = new PendingResponses()

  const storing: Ref<StoreMessage> = root.child('store', () => makeStore(), STORE_CHILD)
  const scoring: Ref<ReputationMessage> = root.child('reputation', () => reputation({
    store: handles.store, events: out, connections: driving, view: standing, publicKeyOf,
  }, configs.reputation))
  const judging: Ref<ChainMessage> = root.child('chain', () => chain({
    ...handles, verdicts: driving, scheduleChanges: driving, answers, judged: syncing, gaps: syncing, ownJudged: publishing, outcomes: scoring, events: out,
    schedule: config.schedule, rules: config.rules,
  }, chainConfig({
    ...config.chain, confirmedTip: config.confirmedTip, ...signer !== undefined && { ownAddresses: [signer.address] },
    ...config.signing?.keepFor !== undefined && { signedFor: config.signing.keepFor },
  })))
  const checking: Ref<ValidatorMessage> = root.child('validator', () => validator({ ...handles, onBatchAlarm, openPool: threads.open }, batchWasWrong ? withoutBatches(configs.validator) : configs.validator))
  const following = isFromL1(config.schedule) ? config.schedule : undefined
  const electing = following && root.child('schedule', () => schedule({ store: handles.store, events: out, view: following.view, open: following.open }, following.view.config))
  const l2 = config.confirmations
  const confirming = l2 && root.child('confirmations', () => confirmations({ chain: handles.chain, events: out, chainId: config.chainId, open: l2.open }, l2.config))
  const { upcoming } = config.schedule
  if (upcoming !== undefined) root.child('forecast', () => forecast({ upcoming, validator: handles.validator }))
  const publishing: Ref<PublisherMessage> = root.child('publisher', () => publisher({ ...handles, events: out }))
  const outward = root.tree('outward', { strategy: 'rest_for_one' })
  const driving: Ref<NetworkCommand> = outward.child('network', () => network({ ...handles, events: fromDriver, answers, standing, refusals }, configs.network), { stopWithin: NETWORK_STOP_WITHIN })
  const syncing: Ref<SyncMessage> = outward.child('sync', () => sync({ ...handles, outcomes: scoring, events: out, choosable: peer => standing.mayAsk(peer) }, config.sync))
  const finding: Ref<DiscoveryMessage> | undefined = discoveryConfig === undefined ? undefined : outward.child('discovery', () => discovery({
    ...handles, events: out, standing, learned: (peer, publicKey) => { void handles.reputation.learned(peer, publicKey) },
  }, discoveryConfig), DISCOVERY_RESTARTS)

  const handles: Handles = {
    store: new Store(storing), chain: new Chain(judging), validator: new Validator(checking), network: new NetworkHandle(driving), sync: new Sync(syncing),
    reputation: new Reputation(scoring), discovery: finding === undefined ? undefined : new Discovery(finding),
  }
  const refusals: RefusedPeersNeeds = {
    load: () => handles.store.meta(REFUSALS, STORE_WITHIN),
    save: text => handles.store.setMeta(REFUSALS, text, STORE_WITHIN),
  }
  const news = new Wake()
  const out: Port<NetworkEvent> = {
    send: event => {
      events.publish(event)
      gate?.event(event)
      if (event.type === 'head' || event.type === 'rewind' || event.type === 'stored') news.wake()
      return 'ok'
    },
  }
  const fromDriver: Port<DriverEvent> = {
    send: event => {
      events.publish(event)
      gate?.event(event)
      void handles.discovery?.driver(event)
      return handles.sync.driver(event)
    },
  }
  // Discovery that begins nowhere, and remembers nobody, finds nobody.
  const looks = discoveryConfig !== undefined && (discoveryConfig.bootnodes.length > 0 || config.dataDir !== undefined)
  const alone = config.staticPeers.length === 0 && !looks
  const gate = signer === undefined ? undefined : new SigningGate({
    clock, open: config.signing?.beforeCatchUp === true ? 'option' : alone ? 'alone' : undefined,
    sync: within => handles.sync.sync(within),
    caughtUp: () => handles.chain.caughtUp(STORE_WITHIN),
    remembers: config.dataDir !== undefined,
    opened: after => {
      log.info({ after }, 'signing may begin')
      events.publish({ type: 'signingReady', after } satisfies GateEvent)
    },
  })
  // For as long as this process lives, also over a restart of the validator.
  let batchWasWrong = false
  const onBatchAlarm = (evidence: BatchEvidence): void => {
    batchWasWrong = true
    log.error({ evidence: evidenceText(evidence) }, 'batch verification was wrong and is off: please report this')
    void out.send({ type: 'batchAlarm', evidence })
    handles.store.setMeta(BATCH_ALARM, evidenceText(evidence), STORE_WITHIN)
      .catch((error: unknown) => { log.error({ error }, 'the evidence against batch verification is in the log only') })
  }
  const { dataDir, chainId } = config
  const makeStore = store({ chain: judging, answers, events: out }, { dataDir, chainId, ...dataDir === undefined && { limits: MEMORY_LIMITS } })
  const start = async (): Promise<void> => {
    threads.begin({ clock, log: log.child({ actor: `${root.path}/validator` }) }, configs.validator.pool)
    const starting = root.start().finally(() => threads.close())
    // told below; it may come earlier
    starting.catch(() => undefined)
    // loading holds this thread: the store's begins before that
    await new Promise(resolve => { setImmediate(resolve) })
    // where that fails, the driver fails with it in its turn
    loadLibp2p().catch(() => undefined)
    await starting
  }
  return {
    supervisor: root, ...handles, publisher: new Publisher(publishing), gate, schedule: electing && new Schedule(electing), confirmations: confirming && new Confirmations(confirming),
    commands: driving, news, storeOutage, sinks: new Sinks({ supervisor: root, ...handles, news, clock, chainId }), start,
  }
}

const withoutBatches = (config: ValidatorConfig): ValidatorConfig =>
  ({ ...config, pool: { ...config.pool, together: { ...config.pool.together, enabled: false } } })

const evidenceText = (evidence: BatchEvidence): string =>
  JSON.stringify(evidence, (_name, value: unknown) => value instanceof Uint8Array ? toHex(value) : value)

function report(event: SupervisorEvent, events: Broadcast<NetworkEvent>): void {
  if (event.type === 'failed') events.publish({ type: 'actorFailed', actor: event.path, error: event.error })
  if (event.type === 'restarted') events.publish({ type: 'actorRestarted', actor: event.path })
}
