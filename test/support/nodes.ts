import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { P2pService, scheduleFromSigners, signerFromKey } from '../../src/index.js'
import type { NetworkEvent, P2pConfig } from '../../src/index.js'
import { PreconfirmationCodec, loadCrypto, preconfirmationHash, txListHash } from '../../src/protocol/index.js'
import type { Crypto, PreconfCommitment, Preconfirmation } from '../../src/protocol/index.js'
import { started } from '../setup/registry.js'
import { listenOn } from './transport.js'
import type { TestTransport } from './transport.js'
import { until } from './until.js'

/** The preconfer of every test network. */
export const KEY = '02'.repeat(32)
export const SIGNER = signerFromKey(KEY).address
export const TIP = 999n

const bytes = (length: number, fill = 0): Uint8Array => new Uint8Array(length).fill(fill)

/** Linked blocks and their txlists, unsigned. */
export class ChainMaker {
  #parent = bytes(32)
  #next = TIP + 1n

  private constructor(private readonly crypto: Crypto, private readonly windowEnd: bigint) {}

  static async create(windowEnd = BigInt(Math.ceil(Date.now() / 1_000) + 600)): Promise<ChainMaker> {
    return new ChainMaker(await loadCrypto(), windowEnd)
  }

  block({ txListBytes = 100, eop = false }: { txListBytes?: number; eop?: boolean } = {}): { commitment: PreconfCommitment; txList: Uint8Array; hash: Uint8Array; txListHash: Uint8Array } {
    const blockNumber = this.#next++
    const txList = bytes(txListBytes, Number(blockNumber % 251n))
    new DataView(txList.buffer).setBigUint64(0, blockNumber)
    const preconf: Preconfirmation = {
      eop, blockNumber, timestamp: 1_800_000_000n + blockNumber, gasLimit: 30_000_000n, coinbase: SIGNER, anchorBlockNumber: 1n, rawTxListHash: txListHash(this.crypto, txList),
      parentPreconfirmationHash: this.#parent, submissionWindowEnd: this.windowEnd, proverAuth: bytes(20), proposalId: 1n,
    }
    this.#parent = preconfirmationHash(this.crypto, PreconfirmationCodec.encode(preconf))
    return { commitment: { preconf, slasherAddress: bytes(20) }, txList, hash: this.#parent, txListHash: preconf.rawTxListHash }
  }
}

/** Starts nodes of one transport, remembers what each has said, and stops them all. */
export class TestNet {
  readonly #nodes: TestNode[] = []
  readonly #folders: string[] = []

  constructor(private readonly transport: TestTransport) { started(async () => this.stop()) }

  async start(config: Partial<P2pConfig> = {}, connectTo: readonly TestNode[] = []): Promise<TestNode> {
    const staticPeers = (await Promise.all(connectTo.map(async ({ service }) => service.listenAddresses()))).map(addresses => addresses[0]!)
    const service = await P2pService.start({
      schedule: scheduleFromSigners([SIGNER]), confirmedTip: { blockNumber: TIP }, listen: listenOn(this.transport), staticPeers,
      validator: { pool: { threads: 1 } }, discovery: false, ...config, network: { transport: this.transport, exemptSubnets: ['127.0.0.0/8'], ...config.network },
    })
    const node = new TestNode(service)
    this.#nodes.push(node)
    return node
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'service-'))
    this.#folders.push(folder)
    return folder
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.splice(0).map(async ({ service }) => service.stop()))
    await Promise.all(this.#folders.splice(0).map(async folder => rm(folder, { recursive: true, force: true })))
  }
}

export class TestNode {
  readonly events: NetworkEvent[] = []

  constructor(readonly service: P2pService) {
    void (async () => {
      for await (const event of service.events) if (event.type !== 'lagged') this.events.push(event)
    })()
  }

  of<T extends NetworkEvent['type']>(type: T): readonly Extract<NetworkEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<NetworkEvent, { type: T }> => event.type === type)
  }

  /** Waits until it has said something. */
  async said<T extends NetworkEvent['type']>(type: T, which: (event: Extract<NetworkEvent, { type: T }>) => boolean = () => true, ms?: number): Promise<Extract<NetworkEvent, { type: T }>> {
    return until(() => this.of(type).find(which), `${type} (seen: ${[...new Set(this.events.map(event => event.type))].join(', ')})`, ms)
  }

  async headIs(blockNumber: bigint, ms?: number): Promise<void> {
    await until(async () => (await this.service.head()).blockNumber === blockNumber, `head ${blockNumber}`, ms)
  }

  /** Waits until so many peers have joined its meshes. */
  async meshed(peers = 1): Promise<void> {
    await until(async () => (await this.service.peers()).filter(({ mesh }) => mesh.commitments && mesh.txLists).length >= peers, `a mesh of ${peers}`)
  }
}
