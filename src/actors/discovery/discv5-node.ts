import { Discv5, SessionService, createKeypair } from '@chainsafe/discv5'
import { SignableENR } from '@chainsafe/enr'
import type { ENR } from '@chainsafe/enr'
import type { Clock } from '../kernel/index.js'
import { peerOfRecordKey } from './candidate.js'
import { DiscoveryError } from './errors.js'
import { ipFromBytes } from './ip.js'
import type { Ip } from './ip.js'
import { PacketLimit } from './packet-limit.js'
import type { PacketLimits } from './packet-limit.js'
import { UdpTransport, socketAddress } from './udp-transport.js'
import type { Endpoint } from './external-address-votes.js'

/** The parts of discv5 that the actor uses. Tests replace it. */
export interface Discv5Node {
  readonly nodeId: string
  /** The UDP port that the socket is bound to. */
  readonly port: number
  /** Number of packets dropped by the rate limits. */
  readonly packetsDropped: number
  /** Starts discv5 with this record of ours. */
  start(record: SignableENR): Promise<void>
  /** Stops discv5 and closes the socket; no timer or listener remains. */
  stop(): Promise<void>
  /** Replaces our record. */
  publish(record: SignableENR): void
  /** Adds a node to the routing table without contacting it. */
  add(record: ENR): void
  /** The routing table. */
  table(): readonly ENR[]
  /** Looks up the nodes closest to a random id. Resolves at once if the routing table is empty. */
  lookup(): Promise<readonly ENR[]>
  /** Pings a node. Resolves to our endpoint as the node sees it; rejects if it does not answer. */
  ping(record: ENR): Promise<Endpoint>
  /** Requests the record of the node with a given key. Rejects if it does not answer. */
  request(ip: Ip, port: number, publicKey: Uint8Array): Promise<ENR>
}

export interface Discv5Init {
  readonly privateKey: Uint8Array
  readonly ip: Ip
  /** The UDP port; 0: any free port. */
  readonly port: number
  readonly packets: PacketLimits
  readonly clock: Clock
  /** Whether discv5 may use a record (`RecordFilter`). */
  isSound(record: ENR): boolean
  /** Called with the record of a node that contacted us, or that another node named. */
  found(record: ENR): void
  /** Called when a packet makes the library throw. */
  threw(error: unknown): void
  /** Called when the socket fails. */
  failed(error: DiscoveryError): void
}

/** Milliseconds. A lookup has up to 16 nodes to ask, three at a time. */
const REQUEST_TIMEOUT_MS = 1_000
const LOOKUP_TIMEOUT_MS = 10_000

const settings: ConstructorParameters<typeof Discv5>[0] = {
  // votes for our address are counted in external-address-votes.ts
  enrUpdate: false, addrVotesToUpdateEnr: 10,
  // attempts in total: with 1, a single lost packet would make a node count as dead
  requestTimeout: REQUEST_TIMEOUT_MS, requestRetries: 2,
  sessionTimeout: 86_400_000, sessionEstablishTimeout: 15_000, sessionCacheCapacity: 2_000, allowUnverifiedSessions: false,
  lookupParallelism: 3, lookupRequestLimit: 3, lookupNumResults: 16, lookupTimeout: LOOKUP_TIMEOUT_MS,
  pingInterval: 300_000,
}

/** Internals of discv5 that are used here; checked at construction, since another version may lack them. */
interface Internals {
  readonly activeLookups: Map<number, { readonly timeout: NodeJS.Timeout | undefined; stop(): void }>
}

/** The events of discv5. Its own types are lost, because two versions of their library are installed. */
interface Emitter {
  on(event: string, listener: (...details: never[]) => void): void
  emit: (event: string, ...details: unknown[]) => boolean
}

/** Binds the socket and builds discv5 on it. @throws DiscoveryError `bind_failed`, `library_changed` */
export async function openDiscv5(init: Discv5Init): Promise<Discv5Node> {
  const keypair = createKeypair({ type: 'secp256k1', privateKey: init.privateKey })
  // a placeholder: `start` replaces it before discv5 listens
  const unnamed = SignableENR.createV4(init.privateKey)
  const limit = new PacketLimit(init.packets, init.clock)
  const transport = new UdpTransport({
    nodeId: unnamed.nodeId, ip: init.ip, port: init.port,
    allows: address => limit.allows(address), talksWith: address => { limit.talksWith(address) }, threw: error => { init.threw(error) }, failed: error => { init.failed(error) },
  })
  const sessions = new SessionService(settings, unnamed, keypair, transport)
  const discv5 = new Discv5(settings, sessions)
  const internals = internalsOf(discv5)
  await transport.bind()
  keepUnsoundOut(sessions as unknown as Emitter, record => init.isSound(record))
  const found = (record: ENR): void => { init.found(record) }
  const events = discv5 as unknown as Emitter
  events.on('discovered', found)
  events.on('enrAdded', found)
  return {
    nodeId: unnamed.nodeId,
    port: transport.port,
    get packetsDropped() { return limit.dropped },
    async start(record) {
      sessions.enr = record
      await discv5.start()
    },
    async stop() {
      if (discv5.isStarted()) await discv5.stop()
      else await transport.stop()
    },
    publish(record) { sessions.enr = record },
    add(record) { if (init.isSound(record)) discv5.addEnr(record) },
    table: () => discv5.kadValues(),
    // with an empty table a lookup would only wait for its time-out
    lookup: async () => discv5.kadValues().length === 0 ? [] : lookUp(discv5, internals),
    async ping(record) {
      const { addr } = await discv5.sendPing(record)
      const ip = ipFromBytes(addr.ip.octets)
      if (ip === undefined) throw new Error('no address')
      return { ip, port: addr.port }
    },
    async request(ip, port, publicKey) {
      const address = socketAddress(ip, port)
      // discv5 requires the peer id in the multiaddr, but then compares it with the packet's source address, which has none
      address.getPeerId = () => peerOfRecordKey(publicKey)
      const record = (await discv5.sendFindNode(address, [0])).find(each => Buffer.from(each.publicKey).equals(publicKey))
      if (record === undefined) throw new Error('the node did not return its record')
      return record
    },
  }
}

/**
 * Clears the time-out that discv5 leaves running after a finished lookup; it would keep the process alive after the stop.
 */
async function lookUp(discv5: Discv5, internals: Internals): Promise<readonly ENR[]> {
  const before = new Set(internals.activeLookups.values())
  const records = discv5.findRandomNode()
  const mine = [...internals.activeLookups.values()].filter(lookup => !before.has(lookup))
  try {
    return await records
  } finally {
    for (const { timeout } of mine) clearTimeout(timeout)
  }
}

/** Filters records between the sessions and discv5: those that `RecordFilter` refuses never reach its table and lookups. */
function keepUnsoundOut(sessions: Emitter, isSound: (record: ENR) => boolean): void {
  const emit = sessions.emit.bind(sessions)
  sessions.emit = (event, ...details) => {
    if (event === 'established' && !isSound(details[1] as ENR)) return true
    const response = details[1] as { enrs?: ENR[] }
    if (event === 'response' && response.enrs !== undefined) response.enrs = response.enrs.filter(isSound)
    return emit(event, ...details)
  }
}

function internalsOf(discv5: Discv5): Internals {
  const internals = discv5 as unknown as Partial<Internals>
  if (!(internals.activeLookups instanceof Map)) throw new DiscoveryError('library_changed', 'discv5 has no activeLookups')
  return internals as Internals
}
