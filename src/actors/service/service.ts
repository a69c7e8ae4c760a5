import { Broadcast, StartError } from '../kernel/index.js'
import type { ActorSpec, Feedback, Lagged, Termination, TreeSnapshot } from '../kernel/index.js'
import { SIGNED_COMMITMENT_SIZE, loadCrypto } from '../../protocol/index.js'
import type { AddressedSigner, Crypto, PreconfCommitment, PreconfHead, SignedCommitment } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { chainConfig, checkHead } from '../chain/index.js'
import type { ConfirmedTip, Head } from '../chain/ingress.js'
import { reputationConfig } from '../reputation/index.js'
import type { NetworkCommand, PeerInfo } from '../network/ingress.js'
import type { Sink } from '../sink/index.js'
import type { Evidence } from '../store/ingress.js'
import { Access } from './access.js'
import { blocks } from './blocks.js'
import type { BlocksOptions, StreamItem } from './blocks.js'
import { checkLists, fillConfig, reputationOptionsOf } from './config.js'
import type { FilledConfig, P2pConfig } from './config.js'
import { CatchUp } from './catch-up.js'
import { discoveryConfigOf, driverConfigOf, validatorConfigOf } from './actor-configs.js'
import { serviceActor } from './embedded.js'
import type { ServiceMessage } from './embedded.js'
import { ServiceError } from './errors.js'
import { handleAll, laneOf, weightOf } from './events.js'
import type { NetworkEvent, P2pHandler } from './events.js'
import { figuresOf, healthOf } from './health.js'
import type { Figures, Health } from './health.js'
import { Outlook } from './outlook.js'
import type { PublishResult } from './publisher.js'
import { Publishing } from './publishing.js'
import type { PublishOptions } from './publishing.js'
import { checkRange, requestCommitments, requestHead, requestTxList } from './requests.js'
import type { RequestOptions } from './requests.js'
import { checkProtected, signerFrom } from './signing.js'
import type { RunningSink } from './sinks.js'
import { buildTree } from './tree.js'
import type { Tree } from './tree.js'
import { ofCaller } from './signals.js'

/** How long the node's own parts may take to answer each other, ms. */
const WITHIN = 10_000
/** A dial with its handshakes, ms. */
const DIAL_WITHIN = 20_000
/** Hanging up lets exchanges under way finish first (SPEC §8), ms. */
const HANG_UP_WITHIN = 20_000

/** Txlists that wait for a slow subscriber at most, bytes. Holds for the queue that waits for the first subscriber too. */
const MAX_EVENT_BYTES = 64 * 1024 ** 2

/** What `start` has built. */
interface Parts {
  readonly config: FilledConfig
  readonly tree: Tree
  readonly events: Broadcast<NetworkEvent>
  readonly first: AsyncIterableIterator<NetworkEvent | Lagged>
  readonly crypto: Crypto
  readonly signer: AddressedSigner | undefined
  readonly peerId: PeerKey
}

/**
 * A preconfirmation node: start it, publish, ask, and follow what the network says. Nothing is installed on `process`.
 *
 * Everything that can fail fails with an error that has a `code`. Beside what each method names, a part of the node may not
 * answer: KernelError `timeout`, `cancelled` (by the caller's signal), `rejected` (its mailbox is full), `crashed` or
 * `interrupted` (it is being started again: asking again may succeed). Once the node stops, what changes or asks something
 * fails with ServiceError `stopped`, and what only reads with KernelError `closed`.
 */
export class P2pService implements AsyncDisposable {
  readonly #config: FilledConfig
  readonly #tree: Tree
  readonly #events: Broadcast<NetworkEvent>
  readonly #crypto: Crypto
  readonly #publishing: Publishing
  /** What happened since the start began, for the first who subscribes. */
  #first: AsyncIterableIterator<NetworkEvent | Lagged> | undefined
  #queue: AsyncIterableIterator<NetworkEvent | Lagged> | undefined
  #stopping: Promise<void> | undefined
  /** Aborted when the node begins to stop, or has stopped by itself. */
  readonly #closing = new AbortController()
  /** The node's libp2p peer id. */
  readonly peerId: PeerKey
  /** The L2 chain that it follows. */
  readonly chainId: bigint
  /** Who may talk to us: bans, block list, protected peers (SPEC §8). */
  readonly access: Access
  /** Who may sign now and soon, and whether we may. */
  readonly outlook: Outlook

  private constructor(parts: Parts) {
    this.#config = parts.config
    this.#tree = parts.tree
    this.#events = parts.events
    this.#crypto = parts.crypto
    this.#first = parts.first
    const { tree: { chain, publisher }, crypto, signer, config: { clock, domain } } = parts
    const { windowHorizon } = chainConfig(parts.config.chain)
    this.#publishing = new Publishing({ chain, publisher, crypto, clock, domain, signer, gate: parts.tree.gate, windowHorizon, closing: this.#closing.signal })
    // Also when it was not `stop`: a part could not be kept running.
    void this.ended.then(() => {
      this.#closing.abort()
      this.#tree.gate?.close()
      this.#events.close()
    })
    this.peerId = parts.peerId
    this.chainId = parts.config.chainId
    this.access = new Access(this.#tree.reputation, () => { this.#ensureRunning() })
    this.outlook = new Outlook({ ...parts.tree, clock, signer: signer?.address, resolver: parts.config.schedule })
  }

  /**
   * Builds the node and starts it: store, chain, validator, network, sync, in this order. Resolves once it listens.
   * @throws ServiceError `bad_config`, `signing_unprotected`; ReputationError, DiscoveryError; StoreError (`locked`, `damaged`, `schema_newer`, …); NetworkError
   */
  static async start(options: P2pConfig): Promise<P2pService> {
    const config = fillConfig(options)
    const crypto = await loadCrypto()
    const signer = config.signing === undefined ? undefined : await signerFrom(config.signing)
    checkProtected(config)
    if (config.dataDir === undefined) config.log.warn({}, 'no data directory: everything is kept in memory and gone at stop')
    if (signer !== undefined && config.dataDir === undefined) config.log.warn({}, 'signing unprotected: after a restart nothing is known of what was signed')
    const network = await driverConfigOf(config)
    checkLists(config, network)
    const reputation = reputationConfig(reputationOptionsOf(config))
    const discovery = await discoveryConfigOf(config, network)
    const validator = validatorConfigOf(config)
    const events = new Broadcast<NetworkEvent>({
      capacity: config.eventCapacity, lane: laneOf, weigh: weightOf, maxWeight: MAX_EVENT_BYTES,
    })
    const first = events.subscribe()
    const tree = buildTree(config, { network, reputation, discovery, validator, signer }, events)
    try {
      await tree.start()
      const { peerId } = await tree.network.addresses(WITHIN)
      return new P2pService({ config, tree, events, crypto, signer, first, peerId })
    } catch (error) {
      tree.gate?.close()
      await tree.supervisor.stop()
      events.close()
      throw error instanceof StartError && error.cause !== undefined ? error.cause : error
    }
  }

  // ---- publishing

  /**
   * Publishes a commitment: signed (its value, or its 382 bytes of SSZ), or unsigned, to be signed here. It is judged and
   * stored like what comes in, and is durable before it leaves (SPEC §7). What is to be signed here waits for the end of the first catch-up,
   * and is judged, our own rules included, and recorded as signed before it is signed.
   * @throws ServiceError `bad_message`, `no_signer`, `signing_failed`, `signing_held`, `window_over`, `window_too_far`, `height_out_of_range`, `behind`, `refused`,
   * `overloaded`, `not_stored`, `stopped`; ChainError `not_recorded`, and where it conflicts with what our key signed before (`conflicting_commitment`,
   * `after_own_eop`, `eop_below_own_block`), or that is not known any more (`window_closed`): then it is neither signed nor sent.
   * After a KernelError (see above) or `not_stored` it may be kept here all the same: published again it is then `refused` as a
   * `duplicate`, and peers get it by asking
   */
  async publishCommitment(
    commitment: SignedCommitment | PreconfCommitment | Uint8Array, options: PublishOptions = {},
  ): Promise<PublishResult> {
    this.#ensureRunning()
    return this.#publishing.commitment(commitment, options)
  }

  /**
   * Publishes a block's raw transaction list (compressed RLP, 1 byte to 2 MiB, opaque here). To come before its commitment
   * (SPEC §6). An empty one could be served to nobody: in an answer it means that it is not there (SPEC §9).
   * @throws ServiceError `bad_message`, `refused`, `overloaded`, `stopped`
   */
  async publishTxList(txList: Uint8Array, options: Pick<PublishOptions, 'signal'> = {}): Promise<PublishResult> {
    this.#ensureRunning()
    return this.#publishing.txList(txList, options)
  }

  // ---- asking peers

  /** A peer's head (`get_head`). Without a named peer the driver chooses one. @throws RequestError */
  async requestHead(options: RequestOptions = {}): Promise<{ peer: PeerKey; head: PreconfHead }> {
    this.#ensureRunning()
    return requestHead(this.#tree.network, options)
  }

  /** Up to 256 commitments of a peer, from `start` on, decoded and not judged: `sync` judges. @throws RequestError */
  async requestCommitments(
    options: RequestOptions & { readonly start: bigint; readonly maxCount: number },
  ): Promise<{ peer: PeerKey; commitments: readonly SignedCommitment[] }> {
    this.#ensureRunning()
    return requestCommitments(this.#tree.network, options)
  }

  /** A txlist by its hash, checked against it. @throws RequestError `not_found` when the peer does not have it */
  async requestTxList(options: RequestOptions & { readonly hash: Uint8Array }): Promise<{ peer: PeerKey; txList: Uint8Array }> {
    this.#ensureRunning()
    return requestTxList(this.#tree.network, this.#crypto, options)
  }

  /**
   * Catches up from the peers now, or joins the catch-up that is under way anyway (SPEC §9): `await service.sync()` for what
   * came of it, `for await (const event of service.sync())` for its progress. The node catches up by itself too: at start, from
   * every new peer, and every 30 s.
   */
  sync({ signal }: { readonly signal?: AbortSignal } = {}): CatchUp {
    this.#ensureRunning()
    const events = this.#events.subscribe()
    return new CatchUp(this.#tree.sync.sync(this.#untilClosing(signal)), events)
  }

  // ---- our own chain

  /**
   * Our own head, which peers are told unless `updateHead` overrides it: the highest canonical block without a gap from the
   * anchor, durable; zeros where there is none (SPEC §7).
   */
  async head(): Promise<Head> {
    return (await this.#tree.chain.standing(WITHIN)).head
  }

  /** Overrides the served head; `undefined` takes the override back (SPEC §7). @throws ChainError `invalid_value`, `height_out_of_range` */
  updateHead(head: Head | undefined): void {
    this.#ensureRunning()
    checkHead(head)
    void this.#tree.chain.updateHead(head)
  }

  /** Moves the confirmed tip: what lies at or below it is settled (SPEC §7). @throws ChainError */
  async confirm(tip: ConfirmedTip): Promise<void> {
    this.#ensureRunning()
    return this.#tree.chain.confirm(tip, WITHIN)
  }

  /** Demotes every canonical block above `to` (SPEC §7). @throws ChainError */
  async rewind(to: bigint): Promise<void> {
    this.#ensureRunning()
    return this.#tree.chain.rewind(to, WITHIN)
  }

  /**
   * Names a block that was demoted, whose supersession was too deep to follow by itself, or that is kept as evidence of an
   * equivocation: it takes its height (SPEC §7). Its parent must be canonical. @throws ChainError
   */
  async reinstate(hash: Uint8Array): Promise<void> {
    this.#ensureRunning()
    return this.#tree.chain.reinstate(hash, WITHIN)
  }

  /** Signed messages that convict a signer, oldest first, from a sequence number on (SPEC §6: equivocation, misbehaviour). */
  async evidence({ from = 0, max = 256 }: { readonly from?: number; readonly max?: number } = {}): Promise<readonly Evidence[]> {
    return this.#tree.store.evidence(from, max, WITHIN)
  }

  /** Canonical commitments that this node stores, from `start` on, in block order, as SSZ of 382 bytes. @throws RequestError */
  async storedCommitments(
    { start, maxCount }: { readonly start: bigint; readonly maxCount: number },
  ): Promise<readonly Uint8Array[]> {
    checkRange(start, maxCount)
    const packed = await this.#tree.store.page(start, maxCount, WITHIN)
    const size = SIGNED_COMMITMENT_SIZE
    return Array.from({ length: packed.length / size }, (_, at) => packed.subarray(at * size, (at + 1) * size))
  }

  /** A txlist that this node stores, `undefined` where it has none under this hash. */
  async storedTxList(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#tree.store.txList(hash, WITHIN)
  }

  // ---- peers

  /** Connects to a multiaddr that ends in `/p2p/…`; gives the peer. Asks the gater first (SPEC §8). @throws NetworkError */
  async dial(address: string): Promise<PeerKey> {
    this.#ensureRunning()
    return this.#tree.network.dial(address, DIAL_WITHIN)
  }

  /** Disconnects from a peer, once what is under way with it has ended (SPEC §8). */
  async hangUp(peer: PeerKey): Promise<void> {
    this.#ensureRunning()
    return this.#tree.network.hangUp(peer, HANG_UP_WITHIN)
  }

  /** The connected peers, one entry a peer however many connections it has. */
  async peers(): Promise<readonly PeerInfo[]> {
    return this.#tree.network.peers(WITHIN)
  }

  async peerCount(): Promise<number> {
    return (await this.peers()).filter(({ connections }) => connections > 0).length
  }

  /** The multiaddrs that we listen on, each with our peer id. */
  async listenAddresses(): Promise<readonly string[]> {
    return (await this.#tree.network.addresses(WITHIN)).addresses
  }

  /** Our record for discovery in its text form, `enr:…`, for others to name as a bootnode; `undefined` where discovery is off. */
  async enr(): Promise<string | undefined> {
    return this.#tree.discovery?.enr(WITHIN)
  }

  /** The records (`enr:…`) of discovery's routing table. @throws ServiceError `discovery_off` */
  async discoveryTable(): Promise<readonly string[]> {
    if (this.#tree.discovery === undefined) throw new ServiceError('discovery_off', 'discovery is off')
    return this.#tree.discovery.table(WITHIN)
  }

  /** One more place where discovery begins, as `discovery.bootnodes` in the config. @throws ServiceError `discovery_off`; DiscoveryError */
  async addBootnode(bootnode: string): Promise<void> {
    this.#ensureRunning()
    if (this.#tree.discovery === undefined) throw new ServiceError('discovery_off', 'discovery is off', bootnode)
    return this.#tree.discovery.addBootnode(bootnode, WITHIN)
  }

  // ---- following

  /**
   * The canonical chain in block order from any height or cursor on: what is stored, then live. Each block once, in order, across
   * restarts too where the application keeps the cursor (SPEC §7). At the reader's own pace.
   */
  blocks(options: BlocksOptions): AsyncGenerator<StreamItem, void, undefined> {
    return blocks({ ...this.#tree, clock: this.#config.clock }, { ...options, signal: this.#untilClosing(options.signal) })
  }

  /**
   * Takes the ordered stream elsewhere, from behind the last message that is there on, for as long as the node runs: `service.sink(natsSink({ … }))`
   * (docs/sinks.md). A sink that cannot be reached, or is not set up as it must be, is an ailment `sink_failing` (`health`); it is tried again, and
   * loses nothing. @throws ServiceError `stopped`, `bad_config`
   */
  async sink(sink: Sink): Promise<RunningSink> {
    this.#ensureRunning()
    return this.#tree.sinks.add(sink)
  }

  /**
   * Every event, for one consumer: the first who subscribes gets them from the start on, later ones from now on. A slow one gets
   * `lagged` with a count in place of what it missed (H20); so does the first who comes late. Ends when the node has stopped.
   */
  subscribe({ signal }: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<NetworkEvent | Lagged> {
    const first = this.#first
    this.#first = undefined
    ofCaller(signal)
    if (first === undefined) return this.#events.subscribe(signal === undefined ? {} : { signal })
    signal?.addEventListener('abort', () => { void first.return?.() }, { once: true })
    if (signal?.aborted === true) void first.return?.()
    return first
  }

  /** Every `for await` over it is a subscription of its own. */
  get events(): AsyncIterable<NetworkEvent | Lagged> {
    return { [Symbol.asyncIterator]: () => this.subscribe() }
  }

  /**
   * The next event of a queue that begins with the first call; `undefined` once the node has stopped. For one caller at a time.
   */
  async nextEvent(): Promise<NetworkEvent | Lagged | undefined> {
    this.#queue ??= this.subscribe()
    const { value, done } = await this.#queue.next() as IteratorResult<NetworkEvent | Lagged, undefined>
    return done === true ? undefined : value
  }

  /**
   * Hands every event to the handler's function of its name, one at a time, until stop or the signal. What a function throws
   * goes to `failed`, and to the log where there is none or it throws too.
   */
  async runWithHandler(handler: P2pHandler, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return handleAll(this.subscribe(options), handler, this.#config.log)
  }

  /** The node as one actor for an application's own supervisor: see `serviceActor`. */
  static actor(config: P2pConfig): ActorSpec<ServiceMessage, P2pService> { return serviceActor(config, P2pService) }

  /** Sends the driver a command, as the node's own parts do. */
  get commands(): { send(command: NetworkCommand): Feedback } {
    return this.#tree.commands
  }

  // ---- the node itself

  /** How the node is, and why not better. Never fails: a part that does not answer is a reason. */
  async health(): Promise<Health> {
    return healthOf(this.#tree, this.#closing.signal.aborted, this.#config.clock.now(), this.outlook)
  }

  /** Figures of every part, for export. Names are stable. */
  async figures(): Promise<Figures> {
    return figuresOf(this.#tree)
  }

  /** The supervision tree as it is: depth, times, restarts and drops of every actor. */
  describe(): TreeSnapshot { return this.#tree.supervisor.describe() }

  /** Resolves when everything has stopped: by `stop`, or because a part could not be kept running. */
  get ended(): Promise<Termination> { return this.#tree.supervisor.terminated }

  /**
   * Stops in order, each part within its deadline: exchanges under way end, what is judged is made durable. Safe to call twice.
   */
  stop(): Promise<void> {
    this.#closing.abort()
    this.#tree.gate?.close()
    this.#stopping ??= this.#tree.supervisor.stop().finally(() => this.#events.close())
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> { return this.stop() }

  #ensureRunning(): void {
    if (this.#closing.signal.aborted) throw new ServiceError('stopped', 'the service is stopped')
  }

  #untilClosing(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
  }
}
