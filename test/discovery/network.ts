import '../../src/polyfill.js'
import { randomBytes } from 'node:crypto'
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage } from '../../src/actors/chain/ingress.js'
import { Discovery, discovery, discoveryConfig } from '../../src/actors/discovery/index.js'
import type { DiscoveryEvent, DiscoveryInit, DiscoveryNeeds } from '../../src/actors/discovery/index.js'
import { supervisor } from '../../src/actors/kernel/index.js'
import type { Logger, Message, Ref, SupervisorEvent } from '../../src/actors/kernel/index.js'
import { ManualClock, TestProbe } from '../../src/actors/kernel/testing/index.js'
import { NetworkHandle, network, networkConfig, newPrivateKey } from '../../src/actors/network/index.js'
import type { DriverEvent, NetworkCommand, NetworkConfigInit } from '../../src/actors/network/index.js'
import { Store } from '../../src/actors/store/ingress.js'
import type { StoreMessage } from '../../src/actors/store/ingress.js'
import { Validator } from '../../src/actors/validator/ingress.js'
import type { ValidatorMessage } from '../../src/actors/validator/ingress.js'

export const CHAIN = 167_000n
export const WITHIN = 60_000
const LOOPBACK = { ip: '127.0.0.1', port: 0 }

/** The store's meta values, in a test's hand. */
export class MetaStore {
  readonly values = new Map<string, string>()
  readonly writes: string[] = []
  /** What the next calls fail with. */
  failing: Error | undefined

  async meta(name: string): Promise<string | undefined> {
    if (this.failing !== undefined) throw this.failing
    return this.values.get(name)
  }

  async setMeta(name: string, value: string | null): Promise<void> {
    if (this.failing !== undefined) throw this.failing
    this.writes.push(`${name} ${value}`)
    if (value === null) this.values.delete(name)
    else this.values.set(name, value)
  }
}

/** What a log was told. */
export class Lines implements Logger {
  readonly lines: Array<{ readonly level: string; readonly fields: object; readonly message: string }> = []
  trace(fields: object, message: string): void { this.lines.push({ level: 'trace', fields, message }) }
  debug(fields: object, message: string): void { this.lines.push({ level: 'debug', fields, message }) }
  info(fields: object, message: string): void { this.lines.push({ level: 'info', fields, message }) }
  warn(fields: object, message: string): void { this.lines.push({ level: 'warn', fields, message }) }
  error(fields: object, message: string): void { this.lines.push({ level: 'error', fields, message }) }
  child(): Logger { return this }
}

export interface FindingNode {
  readonly discovery: Discovery
  readonly network: NetworkHandle
  readonly peerId: string
  /** Where libp2p listens. */
  readonly address: string
  readonly enr: string
  readonly events: DiscoveryEvent[]
  readonly driver: DriverEvent[]
  readonly failures: SupervisorEvent[]
  readonly log: Lines
  readonly store: MetaStore
  readonly learned: Map<string, Uint8Array>
  /** Connected peers. */
  peers(): Promise<string[]>
  stop(): Promise<void>
}

export interface FindingNodeOptions extends Partial<Omit<DiscoveryInit, 'networkPublicKey'>> {
  readonly network?: NetworkConfigInit
  readonly store?: MetaStore
  readonly needs?: Partial<DiscoveryNeeds>
}

const running = new Set<FindingNode>()

export async function stopAll(): Promise<void> {
  for (const node of running) await node.stop()
}

class Sink<M extends Message> extends TestProbe<M> {
  constructor(path: string) { super(path, new ManualClock(), async () => undefined) }
}

/** A real driver and real discovery on loopback, in a hurry; the other rooms are probes. */
export async function startFinding(options: FindingNodeOptions = {}): Promise<FindingNode> {
  const { network: networkOptions, store = new MetaStore(), needs, ...init } = options
  const chainId = init.chainId ?? CHAIN
  const log = new Lines()
  const events: DiscoveryEvent[] = []
  const driver: DriverEvent[] = []
  const failures: SupervisorEvent[] = []
  const learned = new Map<string, Uint8Array>()
  const privateKey = networkOptions?.privateKey ?? newPrivateKey()
  const driverConfig = networkConfig({
    chainId, transport: 'tcp', listen: '/ip4/127.0.0.1/tcp/0', privateKey, exemptSubnets: ['127.0.0.0/8'], ...networkOptions,
  })
  const config = discoveryConfig({
    privateKey: Uint8Array.from(randomBytes(32)), networkPublicKey: publicKeyToProtobuf(privateKey.publicKey), chainId, listen: LOOPBACK,
    lookupEvery: 500, lookupEveryUntilEnough: 100, saveAfter: 50,
    // all nodes of a test are one sender to each other, and in a hurry
    packets: { perSender: 1_000, burst: 2_000, total: 2_000, totalBurst: 4_000 }, ...init, retry: { firstMs: 200, maxMs: 1_000, ...init.retry },
  })
  const tree = supervisor('test', { strategy: 'rest_for_one', log, onEvent: event => { failures.push(event) } })
  const driving: Ref<NetworkCommand> = tree.child('network', () => network({
    validator: new Validator(new Sink<ValidatorMessage>('validator')), chain: new Chain(new Sink<ChainMessage>('chain')),
    store: new Store(new Sink<StoreMessage>('store')),
    events: { send: event => { driver.push(event); return handle.driver(event) } },
  }, driverConfig), { stopWithin: 20_000 })
  const commands = new NetworkHandle(driving)
  const handle: Discovery = new Discovery(tree.child('discovery', () => discovery({
    network: commands, store, events: { send: event => { events.push(event); return 'ok' } },
    learned: (peer, key) => { learned.set(peer, key) }, ...needs,
  }, config)))
  try {
    await tree.start()
  } catch (error) {
    await tree.stop()
    throw error
  }
  const { peerId, addresses } = await commands.addresses(WITHIN)
  const node: FindingNode = {
    discovery: handle, network: commands, peerId, address: addresses[0] ?? '', enr: await handle.enr(WITHIN),
    events, driver, failures, log, store, learned,
    peers: async () => (await commands.peers(WITHIN)).filter(({ connections }) => connections > 0).map(({ peer }) => peer).sort(),
    async stop() {
      running.delete(node)
      await tree.stop()
    },
  }
  running.add(node)
  return node
}
