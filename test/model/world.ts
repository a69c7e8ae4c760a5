import { chain } from '../../src/actors/chain/index.js'
import type { ChainConfig, ConfirmedTip } from '../../src/actors/chain/index.js'
import { Chain } from '../../src/actors/chain/ingress.js'
import type { ChainMessage } from '../../src/actors/chain/ingress.js'
import type { Answers, ChainEvent, JudgedMessage, Judgement, Verdict } from '../../src/actors/chain/ports.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit } from '../../src/actors/kernel/testing/index.js'
import type { Port, Ref } from '../../src/actors/kernel/index.js'
import { blocks } from '../../src/actors/service/blocks.js'
import { Wake } from '../../src/actors/service/wake.js'
import { storeOver } from '../../src/actors/store/actor.js'
import type { Database } from '../../src/actors/store/database.js'
import { StoreError } from '../../src/actors/store/errors.js'
import { Store } from '../../src/actors/store/ingress.js'
import type { StorePorts } from '../../src/actors/store/ingress.js'
import { MemoryGround } from '../../src/actors/store/memory.js'
import { Finding, PreconfHeadCodec } from '../../src/protocol/index.js'
import { checked, checkedTxList } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { Reader } from './reader.js'

export interface Setup {
  readonly config: Partial<ChainConfig>
  /** Permutes the order in which actors run. */
  readonly seed: number
  readonly elected: (window: bigint) => Uint8Array | undefined
  readonly refuses: (ssz: Uint8Array) => boolean
}

/** After a crash it is there again at once, however often: the model counts its waits in whole seconds from there. */
const RESTART = { backoff: { firstMs: 100, maxMs: 100, factor: 1, jitter: 0 }, maxRestarts: 1_000 }
/** How long an ask may take, ms of the clock in hand. */
const WITHIN = 1_000

/** The real chain, store and stream, in one process, on a clock in hand, over memory that outlives a kill. */
export class World {
  kit!: TestKit
  chain!: Chain
  store!: Store
  readonly events: ChainEvent[] = []
  readonly news = new Wake()
  readonly readers: Reader[]
  /** Tells chain that windows have another answer than before. */
  scheduleChanged: (from: bigint, to: bigint) => void = () => undefined
  /** While set, the disk takes nothing. */
  failing = false
  readonly #ground = new MemoryGround()
  #database!: Database
  #refs!: { readonly chain: Parameters<TestKit['crash']>[0]; readonly store: Parameters<TestKit['crash']>[0] }
  readonly #verdicts = new Map<string, Verdict>()
  readonly #judged = new Map<number, readonly Judgement[]>()
  #tickets = 1
  /** The last answer to a peer. */
  #answer: Uint8Array = new Uint8Array()
  /** Wall time and uptime when it was killed. */
  #wall: number | undefined

  constructor(readonly setup: Setup, readers: number) {
    this.readers = Array.from({ length: readers }, () => new Reader(signal => (from: bigint | string) =>
      blocks({ store: this.store, chain: this.chain, news: this.news, clock: this.kit.clock }, { from, signal })))
  }

  get database(): Database { return this.#database }

  async open(): Promise<void> {
    const { config, seed, elected, refuses } = this.setup
    const kit = this.kit = testKit({ seed })
    if (this.#wall !== undefined) kit.clock.jump(this.#wall - kit.clock.now())
    const judged: Port<JudgedMessage> = { send: message => { if (message.type === 'judged') this.#judged.set(message.ticket, message.results); return 'ok' } }
    const quiet = { send: () => 'ok' as const }
    const events: Port<ChainEvent> = {
      send: event => {
        this.events.push(event)
        if (event.type === 'head' || event.type === 'rewind' || event.type === 'stored') this.news.wake()
        return 'ok'
      },
    }
    const answers: Answers = { send: ({ body }) => { this.#answer = body; return 'ok' } }
    const refs: { chain?: Ref<ChainMessage> } = {}
    const database = (): Database => this.#database = this.#faulty(this.#ground.database())
    const toChain: StorePorts['chain'] = { send: message => refs.chain?.send(message) ?? 'ok' }
    const storeRef = await kit.spawn(() => storeOver(database, { chain: toChain, answers: quiet, events: quiet }), RESTART)
    this.store = new Store(storeRef)
    const chainRef = refs.chain = await kit.spawn(() => chain({
      store: this.store, events, judged, ownJudged: judged, answers, outcomes: quiet, gaps: quiet,
      verdicts: { send: ({ messageId, verdict }) => { this.#verdicts.set(messageId, verdict); return 'ok' } },
      schedule: Object.assign((window: bigint) => { const signer = elected(window); return signer === undefined ? 'unknown' as const : { signer } }, {
        subscribe: (changed: (from: bigint, to: bigint) => void) => { this.scheduleChanged = changed },
      }),
      rules: ({ commitment }) => refuses(commitment.commitment.slasherAddress) ? { verdict: 'ignore', reason: 'refused' } : 'accept',
    }, config), RESTART)
    this.chain = new Chain(chainRef)
    this.#refs = { chain: chainRef, store: storeRef }
    await this.store.standing(WITHIN)
    await kit.settle()
  }

  /** Ends everything where it stands. */
  async kill(): Promise<void> {
    for (const reader of this.readers) reader.leave()
    await this.kit.settle()
    const wall = this.kit.clock.now()
    await this.kit.stop()
    this.failing = false
    this.#wall = wall
    this.scheduleChanged = () => undefined
  }

  /** What `get_head` was answered last. */
  servedHead(): { readonly number: bigint; readonly window: bigint } {
    const { blockNumber, submissionWindowEnd } = PreconfHeadCodec.decode(this.#answer)
    return { number: blockNumber, window: submissionWindowEnd }
  }

  /** Why the last was refused. */
  reason(): string {
    const last = this.events.findLast(event => event.type === 'rejected')
    return last?.type === 'rejected' ? last.reason : 'nothing refused'
  }

  crash(room: 'chain' | 'store'): void { this.kit.crash(this.#refs[room]) }

  // ---- what comes in; each gives how to look at its verdict once all is settled

  gossip(what: Built, peer: string): () => Verdict | undefined {
    const messageId = `message-${this.#tickets++}`
    void this.chain.commitments([checked(what, { kind: 'gossip', peer, messageId })])
    return () => this.#verdicts.get(messageId)
  }

  page(blocks: readonly Built[], peer: string): () => readonly Verdict[] | undefined {
    const ticket = this.#tickets++
    void this.chain.page(peer, ticket, blocks.map(block => checked(block, { kind: 'sync', peer, ticket })))
    return () => this.#judged.get(ticket)?.map(({ verdict }) => verdict)
  }

  own(what: Built): () => Judgement | undefined {
    const ticket = this.#tickets++
    void this.chain.commitments([checked(what, { kind: 'own', ticket, behind: true })])
    return () => this.#judged.get(ticket)?.[0]
  }

  txList(what: Built, peer: string): void {
    void this.chain.txLists([checkedTxList(what.txList, { kind: 'gossip', peer, messageId: `message-${this.#tickets++}` }, Finding.valid)])
  }

  /** Asks and settles; the code of the refusal, where it is refused; `waits` while there is no answer. */
  async decide(ask: (chain: Chain, within: number) => Promise<unknown>): Promise<string | undefined> {
    let outcome: string | undefined = 'waits'
    ask(this.chain, WITHIN).then(() => { outcome = undefined }, (error: unknown) => { outcome = String((error as { code?: unknown }).code) })
    // What has to be hashed for it takes real time.
    for (let tries = 0; tries < (this.failing ? 20 : 10_000) && outcome === 'waits'; tries++) {
      await this.kit.settle()
      if (tries > 20) await new Promise(resolve => { setTimeout(resolve, 1) })
    }
    return outcome
  }

  #faulty(database: Database): Database {
    const fails = async (): Promise<never> => { throw new StoreError('io', 'the disk fails') }
    return new Proxy(database, {
      get: (target, name) => {
        if (this.failing && (name === 'commit' || name === 'recordSigned')) return fails
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) as unknown : value
      },
    })
  }
}

export const tipOf = (number: bigint, hash?: Uint8Array): ConfirmedTip => hash === undefined ? { blockNumber: number } : { blockNumber: number, preconfirmationHash: hash }
