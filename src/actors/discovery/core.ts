import { ENR } from '@chainsafe/enr'
import type { SignableENR } from '@chainsafe/enr'
import { LRUCache } from 'lru-cache'
import { protocolsOf } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ByType, Context, Port } from '../kernel/index.js'
import type { DriverEvent, NetworkHandle, PeerInfo } from '../network/ingress.js'
import type { PeerStanding } from '../reputation/ingress.js'
import type { Store } from '../store/ingress.js'
import { BootnodeKeeper } from './bootnode-keeper.js'
import type { Bootnode } from './bootnodes.js'
import { namesOtherChain, readCandidate, udpEndpoint, uncompressed } from './candidate.js'
import type { DiscoveryConfig } from './config.js'
import type { Discv5Init, Discv5Node } from './discv5-node.js'
import { DiscoveryError, refusedFor } from './errors.js'
import type { DiscoveryEvent, DiscoveryFigures, DiscoveryInternal, DiscoveryMessage } from './ingress.js'
import { endpointOf, holderOf, scopeOf, sameIp } from './ip.js'
import type { KnownKeeper } from './known-keeper.js'
import type { OurRecord } from './our-record.js'
import { AddressScopeRules } from './address-scope-rules.js'
import { chainBytes } from './record.js'
import { Targets } from './targets.js'
import type { Target } from './targets.js'
import type { Endpoint } from './external-address-votes.js'

export interface DiscoveryNeeds {
  readonly network: Pick<NetworkHandle, 'dial' | 'peers' | 'addresses'>
  readonly store: Pick<Store, 'meta' | 'setMeta'>
  readonly events: Port<DiscoveryEvent>
  /** Called with the uncompressed secp256k1 key of a peer's ENR, 64 bytes, once the node has answered at the peer's IP address. */
  readonly learned?: ((peer: PeerKey, publicKey: Uint8Array) => void) | undefined
  /** Refused peers are not dialled; the gater would refuse the dial anyway. */
  readonly standing?: Pick<PeerStanding, 'refuses'> | undefined
  /** Replaces discv5, in tests. */
  readonly open?: ((init: Discv5Init) => Promise<Discv5Node>) | undefined
}

/** Maximum of nodes of other chains remembered, so that each is counted once. */
const MAX_STRANGERS = 4_096
/** Nodes pinged in each round: their PONGs give our address, and the PINGs announce a changed record. */
const VOTERS_PER_ROUND = 4
const TOLD_AT_ONCE = 16

interface Connected { readonly direction: 'inbound' | 'outbound'; readonly address: string; ready: boolean; tied: boolean; /** When it came. */ readonly round: number }

export interface DiscoveryCoreInit {
  readonly ctx: Context<DiscoveryMessage, DiscoveryInternal>
  readonly needs: DiscoveryNeeds
  readonly config: DiscoveryConfig
  readonly node: Discv5Node
  readonly ours: OurRecord
  readonly keeper: KnownKeeper
}

/** The state of one incarnation: targets, connected peers, and operations in flight. */
export class DiscoveryCore {
  readonly keeper: KnownKeeper
  readonly desk: BootnodeKeeper
  readonly ours: OurRecord
  readonly reach: AddressScopeRules
  readonly #init: DiscoveryCoreInit
  readonly #chain: Uint8Array
  readonly #protocols: readonly string[]
  readonly #targets: Targets
  readonly #connected = new Map<PeerKey, Connected>()
  readonly #strangers = new LRUCache<string, true>({ max: MAX_STRANGERS })
  /** Records read since the last lookup began. */
  readonly #read = new Set<string>()
  readonly #figures = { lookups: 0, otherChain: 0, dialled: 0, dialsFailed: 0, unfit: 0 }
  #lookingUp = false
  #round = 0

  constructor(init: DiscoveryCoreInit) {
    const { ctx, config, node } = init
    this.#init = init
    this.ours = init.ours
    this.reach = new AddressScopeRules(() => init.ours.reach, config.privateAddresses)
    this.#chain = chainBytes(config.chainId)
    this.#protocols = Object.values(protocolsOf(config.chainId))
    this.#targets = new Targets({ max: config.candidates, perNetwork: config.candidatesPerNetwork, retry: config.retry }, ctx.random)
    this.keeper = init.keeper
    this.desk = new BootnodeKeeper({ ctx, config, node, tell: event => { this.#tell(event) }, use: bootnode => { this.#use(bootnode) } })
  }

  // ---- rounds

  /** Starts with the saved peers, then the bootnodes. */
  begin(): void {
    const { ctx, config, node } = this.#init
    for (const { peer, address, record } of this.keeper.peers.all()) {
      const ip = endpointOf(address)?.ip
      const enr = record === undefined ? undefined : tryTo(() => ENR.decodeTxt(record))
      if (enr !== undefined) {
        this.reach.trust(enr.nodeId, ip === undefined ? 'public' : scopeOf(ip))
        node.add(enr)
      }
      const key = enr?.nodeId ?? peer
      if (peer === config.peer || enr?.nodeId === node.nodeId) continue
      this.#targets.add({ key, peer, addresses: [address], ips: ip === undefined ? [] : [ip], seq: 0n, rank: 'known' }, ctx.clock.monotonic())
    }
    this.#tell({ type: 'enr', enr: this.ours.text })
    this.desk.begin()
    ctx.after('round', 0)
  }

  /** Runs one round: a lookup, and all retries that are due. */
  round(): void {
    const { ctx, config, needs, node } = this.#init
    this.#round++
    ctx.after('round', this.#hasEnough() ? config.lookupEvery : config.lookupEveryUntilEnough)
    ctx.pipe(needs.network.peers(config.roomsWithin), {
      ok: peers => ({ type: 'peersSeen', peers }), failed: () => ({ type: 'peersSeen', peers: undefined }),
    })
    this.ours.refresh()
    this.desk.round()
    this.#askForVotes()
    if (!this.#lookingUp && node.table().length > 0) {
      this.#lookingUp = true
      this.#read.clear()
      this.#figures.lookups++
      ctx.pipe(node.lookup(), { ok: records => ({ type: 'lookedUp', records }), failed: () => ({ type: 'lookedUp', records: [] }) })
    }
    this.pump()
  }

  lookedUp(records: readonly ENR[]): void {
    this.#lookingUp = false
    for (const record of [...records, ...this.#init.node.table()]) this.found(record)
  }

  /** Takes a record that a node sent or was found by a lookup. It becomes a target if it is of our chain. */
  found(record: ENR): void {
    const { ctx, config, node } = this.#init
    const name = nameOf(record)
    if (record.nodeId === node.nodeId || this.#read.has(name)) return
    if (this.#read.size < 4 * config.candidates) this.#read.add(name)
    const candidate = readCandidate(record, this.#chain, reach => this.reach.allows(record.nodeId, reach))
    if (typeof candidate === 'string') {
      if (candidate === 'other_chain') this.#stranger(record.nodeId)
      else this.#figures.unfit++
      return
    }
    const { addresses, ips, nodeId, ownKey, peer, seq } = candidate
    if (peer === config.peer) return
    const rank = this.keeper.peers.get(peer)?.address === addresses[0] ? 'known' : this.reach.isNamed(record.nodeId) ? 'named' : 'found'
    const target: Target = { key: nodeId, peer, addresses, ips, seq, rank, record: { enr: record, ownKey } }
    if (this.#targets.add(target, ctx.clock.monotonic())) this.#tell({ type: 'discovered', peer, address: addresses[0]! })
    if (this.#connected.get(peer)?.ready === true) this.#tie(peer)
  }

  // ---- peers

  driver(event: DriverEvent): void {
    switch (event.type) {
      case 'started':
        this.#connected.clear()
        this.#targets.reset()
        this.ours.listensOn(event.addresses)
        break
      case 'peerConnected': this.#came(event.peer, event.direction, event.address); break
      case 'peerReady': this.#ready(event.peer); break
      case 'peerDisconnected': this.#went(event.peer); break
      case 'peerRefused':
        for (const { key } of this.#targets.of(event.peer)) this.#targets.failed(key, this.#now())
        break
      default: return
    }
    this.pump()
  }

  /** Reconciles our list with the driver's, in case events were dropped. */
  peersSeen(peers: readonly PeerInfo[] | undefined): void {
    if (peers === undefined) return
    const here = new Map(peers.filter(({ connections }) => connections > 0).map(info => [info.peer, info]))
    // a peer that connected after the list was requested cannot be in it
    for (const [peer, { round }] of [...this.#connected]) if (!here.has(peer) && round < this.#round) this.#went(peer)
    for (const [peer, { addresses, direction, protocols }] of here) {
      if (!this.#connected.has(peer)) this.#came(peer, direction, addresses[0] ?? '')
      if (this.#protocols.some(protocol => protocols.includes(protocol))) this.#ready(peer)
    }
    this.pump()
  }

  dialled({ address, error, key, peer }: ByType<DiscoveryInternal, 'dialled'>): void {
    if (error === undefined) {
      // the driver's event may arrive later; if the connection has closed already, the next round corrects it
      this.#came(peer, 'outbound', address)
      this.#targets.connected(key)
      this.desk.reached(address)
      return
    }
    this.#figures.dialsFailed++
    this.#targets.failed(key, this.#now(), refusedFor(error))
    this.desk.unreachable(address, error)
    this.#init.ctx.log.debug({ address, error }, 'dial of a discovered peer failed')
  }

  /** Dials as many targets as the limits allow. */
  pump(): void {
    const { config, ctx, needs } = this.#init
    while (this.#wantsMore()) {
      const target = this.#targets.next(this.#now(), peer => this.#excludes(peer))
      if (target === undefined) return
      const { key, peer } = target
      const address = this.#targets.addressOf(key) ?? target.addresses[0]!
      this.#figures.dialled++
      ctx.pipe(needs.network.dial(address, config.dialWithin), {
        ok: () => ({ type: 'dialled', key, peer, address, error: undefined }),
        failed: error => ({ type: 'dialled', key, peer, address, error: error ?? new Error('no reason') }),
      })
    }
  }

  // ---- answers

  /** Takes a PONG: the node is at the address in its record, so it votes for our address, and its peer may be tied to it. */
  pinged(record: ENR, endpoint: Endpoint | undefined): void {
    const from = udpEndpoint(record, this.#init.config.listenIp.family)
    if (endpoint === undefined || from === undefined) return
    this.ours.voted(from.ip, endpoint)
    const target = this.#targets.get(record.nodeId)
    if (target !== undefined && this.#sharesAddress(target)) this.#tied(target)
  }

  bootnodeAsked({ bootnode, endpoint, error, record }: ByType<DiscoveryInternal, 'bootnodeAsked'>): void {
    const stranger = record !== undefined && namesOtherChain(record, this.#chain)
    this.desk.asked(bootnode, stranger ? new DiscoveryError('bootnode_other_chain', `bootnode ${bootnode}: it belongs to another chain`, { value: bootnode }) : error)
    if (record === undefined || stranger) return
    if (!this.reach.isNamed(record.nodeId)) {
      this.reach.trust(record.nodeId, 'named')
      this.#init.node.add(record)
    }
    this.found(record)
    this.pinged(record, endpoint)
    this.pump()
  }

  recordStored(record: SignableENR, error: unknown): void {
    if (!this.ours.stored(record, error)) return
    const { node } = this.#init
    this.#tell({ type: 'enr', enr: this.ours.text })
    // a changed scope of ours changes which addresses may be used
    this.#read.clear()
    // a PING carries our new sequence number
    for (const other of node.table().slice(0, TOLD_AT_ONCE)) this.#ping(other)
  }

  // ---- stop

  async stop(): Promise<void> {
    await this.#init.node.stop()
    await this.keeper.flush()
  }

  table(): readonly string[] { return this.#init.node.table().map(record => record.encodeTxt()) }

  figures(): DiscoveryFigures {
    return { ...this.#figures, known: this.#init.node.table().length, remembered: this.keeper.peers.size, candidates: this.#targets.size, packetsDropped: this.#init.node.packetsDropped }
  }

  #use(bootnode: Bootnode): void {
    const { ctx, node } = this.#init
    if (bootnode.kind === 'record') {
      this.reach.trust(bootnode.record.nodeId, 'named')
      node.add(bootnode.record)
      this.found(bootnode.record)
    }
    if (bootnode.kind === 'peer') {
      const { text, peer, address, ips } = bootnode
      this.#targets.add({ key: text, peer, addresses: [address], ips, seq: 0n, rank: 'named' }, ctx.clock.monotonic())
      this.pump()
    }
  }

  #came(peer: PeerKey, direction: 'inbound' | 'outbound', address: string): void {
    if (!this.#connected.has(peer)) this.#connected.set(peer, { direction, address, ready: false, tied: false, round: this.#round })
    for (const { key } of this.#targets.of(peer)) this.#targets.connected(key)
  }

  #ready(peer: PeerKey): void {
    const connected = this.#connected.get(peer)
    if (connected === undefined || connected.ready) return
    connected.ready = true
    for (const { key } of this.#targets.of(peer)) this.#targets.proved(key, this.#now())
    // the address of an inbound connection cannot be dialled
    if (connected.direction === 'outbound' && connected.address !== '') this.keeper.remember(peer, withPeer(connected.address, peer), undefined)
    this.#tie(peer)
  }

  #went(peer: PeerKey): void {
    const connected = this.#connected.get(peer)
    if (connected === undefined) return
    const hadEnough = this.#hasEnough()
    this.#connected.delete(peer)
    if (!connected.ready) for (const { key } of this.#targets.of(peer)) this.#targets.failed(key, this.#now())
    if (hadEnough && !this.#hasEnough()) this.#init.ctx.after('round', this.#init.config.lookupEveryUntilEnough)
  }

  /**
   * Ties records to a peer. A record that names a peer proves nothing, since anybody can sign a record with the peer's key in it. They are taken
   * for the same node only if the record's node answers at the IP address of the peer's connection.
   */
  #tie(peer: PeerKey): void {
    if (this.#connected.get(peer)?.tied !== false) return
    for (const target of this.#targets.of(peer)) {
      if (target.record?.ownKey === true) { this.#tied(target); return }
      if (target.record !== undefined && this.#sharesAddress(target)) this.#ping(target.record.enr)
    }
  }

  #tied({ addresses, peer, record }: Target): void {
    const connected = this.#connected.get(peer)
    if (record === undefined || connected?.ready !== true || connected.tied) return
    connected.tied = true
    this.keeper.remember(peer, connected.direction === 'outbound' ? undefined : addresses[0], record.enr.encodeTxt())
    const key = tryTo(() => uncompressed(record.enr.publicKey))
    if (key !== undefined) this.#init.needs.learned?.(peer, key)
  }

  #sharesAddress({ peer, ips }: Target): boolean {
    const from = endpointOf(this.#connected.get(peer)?.address ?? '')?.ip
    return from !== undefined && ips.some(ip => sameIp(ip, from))
  }

  #askForVotes(): void {
    if (!this.ours.learns) return
    const { ctx, config, node } = this.#init
    const table = node.table()
    const first = Math.trunc(ctx.random() * table.length)
    const asked = new Set<string>()
    for (let i = 0; i < table.length && asked.size < VOTERS_PER_ROUND; i++) {
      const record = table[(first + i) % table.length]!
      const ip = udpEndpoint(record, config.listenIp.family)?.ip
      if (ip === undefined || asked.has(holderOf(ip)) || this.ours.hasVoted(ip)) continue
      asked.add(holderOf(ip))
      this.#ping(record)
    }
  }

  #ping(record: ENR): void {
    this.#init.ctx.pipe(this.#init.node.ping(record), {
      ok: endpoint => ({ type: 'pinged', record, endpoint }), failed: () => ({ type: 'pinged', record, endpoint: undefined }),
    })
  }

  #stranger(nodeId: string): void {
    if (this.#strangers.has(nodeId)) return
    this.#strangers.set(nodeId, true)
    this.#figures.otherChain++
  }

  #hasEnough(): boolean { return this.#connected.size >= this.#init.config.enoughPeers }

  #wantsMore(): boolean {
    const { dialsAtOnce, enoughPeers, maxPeers, outboundPeers } = this.#init.config
    const dialling = this.#targets.dialling
    const peers = this.#connected.size + dialling
    if (dialling >= dialsAtOnce || peers >= maxPeers) return false
    const outbound = [...this.#connected.values()].filter(({ direction }) => direction === 'outbound').length
    return peers < enoughPeers || outbound + dialling < outboundPeers
  }

  #excludes(peer: PeerKey): boolean {
    const { config, needs } = this.#init
    return peer === config.peer || this.#connected.has(peer) || needs.standing?.refuses({ direction: 'outbound', peer }) !== undefined
  }

  #now(): number { return this.#init.ctx.clock.monotonic() }
  #tell(event: DiscoveryEvent): void { void this.#init.needs.events.send(event) }
}

function withPeer(address: string, peer: PeerKey): string { return address.includes('/p2p/') ? address : `${address}/p2p/${peer}` }

function nameOf({ nodeId, seq }: ENR): string { return `${nodeId} ${seq}` }

function tryTo<T>(what: () => T): T | undefined {
  try {
    return what()
  } catch {
    return undefined
  }
}
