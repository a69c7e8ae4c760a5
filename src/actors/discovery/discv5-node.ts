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

/** What the actor uses of discv5. Tests put their own in its place. */
export interface Discv5Node {
  readonly nodeId: string
  /** The UDP port that the socket is bound to. */
  readonly port: number
  /** Packets above the limits. */
  readonly packetsDropped: number
  /** Begins to answer, under this record. */
  start(record: SignableENR): Promise<void>
  /** Closes the socket; nothing of it is left. */
  stop(): Promise<void>
  /** Goes under this record from now on. */
  publish(record: SignableENR): void
  /** Puts a node in the routing table, not contacted yet. */
  add(record: ENR): void
  /** The routing table. */
  table(): readonly ENR[]
  /** Asks around for the nodes next to a random id; finished at once where the table is empty. */
  lookup(): Promise<readonly ENR[]>
  /** Where the other one sees us. Rejects where it does not answer. */
  ping(record: ENR): Promise<Endpoint>
  /** Asks the holder of a key for its record. Rejects where it does not answer. */
  request(ip: Ip, port: number, publicKey: Uint8Array): Promise<ENR>
}

export interface Discv5Init {
  readonly privateKey: Uint8Array
  readonly ip: Ip
  /** 0: any free one. */
  readonly port: number
  readonly packets: PacketLimits
  readonly clock: Clock
  /** Whether a record may be used at all (`RecordFilter`). */
  isSound(record: ENR): boolean
  /** Somebody told of a node, or a node wrote to us. */
  found(record: ENR): void
  /** What other nodes sent made the library throw. */
  threw(error: unknown): void
  /** The socket broke. */
  failed(error: DiscoveryError): void
}

/** Milliseconds. A lookup has up to 16 nodes to ask, three at a time. */
const REQUEST_TIMEOUT_MS = 1_000
const LOOKUP_TIMEOUT_MS = 10_000

const settings: ConstructorParameters<typeof Discv5>[0] = {
  // we count the votes ourselves: see AddressVotes
  enrUpdate: false, addrVotesToUpdateEnr: 10,
  // tries in all: with 1 a single lost packet is a dead node
  requestTimeout: REQUEST_TIMEOUT_MS, requestRetries: 2,
  sessionTimeout: 86_400_000, sessionEstablishTimeout: 15_000, sessionCacheCapacity: 2_000, allowUnverifiedSessions: false,
  lookupParallelism: 3, lookupRequestLimit: 3, lookupNumResults: 16, lookupTimeout: LOOKUP_TIMEOUT_MS,
  pingInterval: 300_000,
}

/** What discv5 does not show. Checked when it is made: another version may have none of it. */
interface Internals {
  readonly activeLookups: Map<number, { readonly timeout: NodeJS.Timeout | undefined; stop(): void }>
}

/** The events, whose types do not survive the way through two versions of one library. */
interface Emitter {
  on(event: string, listener: (...details: never[]) => void): void
  emit: (event: string, ...details: unknown[]) => boolean
}

/** Binds the socket and builds discv5 on it. @throws DiscoveryError `bind_failed`, `library_changed` */
export async function openDiscv5(init: Discv5Init): Promise<Discv5Node> {
  const keypair = createKeypair({ type: 'secp256k1', privateKey: init.privateKey })
  // replaced by `start`, before anything can ask for it
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
    // with nobody to ask it would only wait for its time-out
    lookup: async () => discv5.kadValues().length === 0 ? [] : lookUp(discv5, internals),
    async ping(record) {
      const { addr } = await discv5.sendPing(record)
      const ip = ipFromBytes(addr.ip.octets)
      if (ip === undefined) throw new Error('no address')
      return { ip, port: addr.port }
    },
    async request(ip, port, publicKey) {
      const address = socketAddress(ip, port)
      // discv5 wants the peer id in the multiaddr, and then finds that no packet comes from an address with a peer id in it
      address.getPeerId = () => peerOfRecordKey(publicKey)
      const record = (await discv5.sendFindNode(address, [0])).find(each => Buffer.from(each.publicKey).equals(publicKey))
      if (record === undefined) throw new Error('it did not give its record')
      return record
    },
  }
}

/**
 * A lookup that is over leaves the timer of its time-out behind, which would hold a stopped process for as long.
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

/** Between the sessions and discv5: what is not sound never gets to its tables and lookups. */
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
