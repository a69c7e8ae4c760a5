import { chain } from '../../src/actors/chain/index.js'
import type { ChainConfig, ChainRules, ScheduleResolver } from '../../src/actors/chain/index.js'
import { Chain } from '../../src/actors/chain/ingress.js'
import { SETTLED } from '../../src/actors/chain/slashing-protection.js'
import type { ChainStatus, Checked } from '../../src/actors/chain/ingress.js'
import type { Answers, ChainEvent, ChainStore, Gaps, Judged, Outcomes, ScheduleChanges, Verdict, Verdicts } from '../../src/actors/chain/ports.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit, TestProbe } from '../../src/actors/kernel/testing/index.js'
import type { Port } from '../../src/actors/kernel/index.js'
import { memoryDatabase } from '../../src/actors/store/memory.js'
import type { Database } from '../../src/actors/store/database.js'
import type { WriteBatch } from '../../src/actors/store/ingress.js'
import { Finding } from '../../src/protocol/index.js'
import { ALICE, checked, checkedTxList } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'

type MessageOf<P> = P extends Port<infer M> ? M : never

/** The store as chain sees it, over the database in memory. Acknowledges at once, or when the test says so. */
export class FakeStore implements ChainStore {
  readonly writes: { sequence: number; after: number | undefined; batch: WriteBatch }[] = []
  /** Off: writes wait for `acknowledge`. */
  automatic = true
  failing = false
  onDurable: (sequence: number) => void = () => undefined
  #waiting: { sequence: number; batch: WriteBatch }[] = []

  constructor(readonly database: Database) {}

  write(sequence: number, after: number | undefined, batch: WriteBatch) {
    this.writes.push({ sequence, after, batch })
    this.#waiting.push({ sequence, batch })
    if (this.automatic) void this.acknowledge()
    return 'ok' as const
  }

  /** Makes everything written so far durable, and says so. */
  async acknowledge(): Promise<void> {
    const writes = this.#waiting.splice(0)
    await Promise.all(writes.map(({ batch }) => this.database.commit(batch)))
    const last = writes.at(-1)
    if (last !== undefined) this.onDurable(last.sequence)
  }
  /** What was not acknowledged is lost, as at a crash of the store. */
  lose(): void { this.#waiting = [] }

  async restore(tail: number, beside: number) {
    const [record, tailPage, besidePage, stats] = await Promise.all([this.database.chainRecord(), this.database.tail(tail), this.database.beside(beside), this.database.stats()])
    return { durable: true, ...record, tail: tailPage, beside: besidePage, stats }
  }
  scan(from: bigint, max: number, after: Uint8Array | undefined) { return this.database.scan(from, max, after) }
  blockAt(height: bigint) { return this.database.blockAt(height) }
  evidence(from: number, max: number) { return this.database.evidence(from, max) }
  commitment(hash: Uint8Array) { return this.failing ? Promise.reject(new Error('the store fails')) : this.database.commitmentByHash(hash) }
  meta(name: string) { return this.database.meta(name) }
  ownSigned(signer: Uint8Array, window: bigint) { return this.database.ownSigned(signer, window) }
  async signedWindow(signer: Uint8Array, window: bigint) {
    if (this.failing) throw new Error('the store fails')
    const records = await this.database.ownSigned(signer, window)
    return { records, closedUpTo: (await this.database.stats()).signing.closedUpTo }
  }
}

export interface HouseOptions {
  readonly schedule?: ScheduleResolver
  readonly rules?: ChainRules
  readonly config?: Partial<ChainConfig>
  readonly store?: FakeStore
}

/** A chain actor with probes on every side. */
export interface House {
  readonly kit: TestKit
  readonly chain: Chain
  readonly store: FakeStore
  readonly verdicts: TestProbe<MessageOf<Verdicts>>
  readonly scheduleChanges: TestProbe<MessageOf<ScheduleChanges>>
  readonly answers: TestProbe<MessageOf<Answers>>
  readonly outcomes: TestProbe<MessageOf<Outcomes>>
  readonly gaps: TestProbe<MessageOf<Gaps>>
  readonly judged: TestProbe<MessageOf<Judged>>
  readonly ownJudged: TestProbe<MessageOf<Judged>>
  readonly events: TestProbe<ChainEvent>
  /** Sends a gossip message and gives its verdict, `undefined` while there is none. */
  gossip(what: Built, options?: GossipOptions): Promise<Verdict | undefined>
  gossipTxList(txList: Uint8Array, options?: GossipOptions): Promise<Verdict | undefined>
  page(blocks: readonly Built[], options?: { peer?: string; finding?: Finding }): Promise<readonly string[] | undefined>
  own(what: Built, options?: { readonly behind?: boolean }): Promise<{ readonly verdict: string; readonly reason: string } | undefined>
  /** The reason of the last refusal. */
  reason(): string | undefined
  standing(): Promise<ChainStatus>
  /** Heights and hashes of the canonical blocks that are durable. */
  canonical(): Promise<readonly string[]>
  /** Stops it, and starts another over the same store. */
  restart(options?: HouseOptions): Promise<House>
}

export interface GossipOptions { readonly peer?: string; readonly finding?: Finding }

export const anyone: ScheduleResolver = () => ({ signers: [ALICE] })
let tickets = 1

export async function house(options: HouseOptions = {}): Promise<House> {
  const kit = testKit()
  const store = options.store ?? new FakeStore(await opened(memoryDatabase()))
  const probes = {
    verdicts: kit.probe<MessageOf<Verdicts>>(), scheduleChanges: kit.probe<MessageOf<ScheduleChanges>>(), answers: kit.probe<MessageOf<Answers>>(), outcomes: kit.probe<MessageOf<Outcomes>>(),
    gaps: kit.probe<MessageOf<Gaps>>(), judged: kit.probe<MessageOf<Judged>>(), ownJudged: kit.probe<MessageOf<Judged>>(), events: kit.probe<ChainEvent>(),
  }
  const ref = await kit.spawn(chain({ ...probes, store, schedule: options.schedule ?? anyone, rules: options.rules }, { ownAddresses: [ALICE], ...options.config }))
  const handle = new Chain(ref)
  store.onDurable = sequence => { void handle.durable(sequence) }
  await kit.settle()
  const verdictOf = async (messageId: string): Promise<Verdict | undefined> => {
    await kit.settle()
    return probes.verdicts.received.find(message => message.messageId === messageId)?.verdict
  }
  const judgedOf = async (probe: TestProbe<MessageOf<Judged>>, ticket: number) => {
    await kit.settle()
    const message = probe.received.find(message => message.type === 'judged' && message.ticket === ticket)
    return message?.type === 'judged' ? message.results : undefined
  }
  const sendGossip = (item: (origin: Checked['origin']) => Checked, { peer = 'peer' }: GossipOptions, to: 'commitments' | 'txLists') => {
    const messageId = `message-${tickets++}`
    void handle[to]([item({ kind: 'gossip', peer, messageId })])
    return verdictOf(messageId)
  }
  return {
    kit, store, ...probes, chain: handle,
    gossip: (what, options = {}) => sendGossip(origin => checked(what, origin, options.finding), options, 'commitments'),
    gossipTxList: (txList, options = {}) => sendGossip(origin => checkedTxList(txList, origin, options.finding), options, 'txLists'),
    async page(blocks, { peer = 'server', finding = Finding.valid } = {}) {
      const ticket = tickets++
      void handle.page(peer, ticket, blocks.map(block => checked(block, { kind: 'sync', peer, ticket }, finding)))
      return (await judgedOf(probes.judged, ticket))?.map(({ verdict, reason }) => `${verdict} ${reason}`)
    },
    async own(what, options = {}) {
      const ticket = tickets++
      void handle.commitments([checked(what, { kind: 'own', ticket, ...options })])
      return (await judgedOf(probes.ownJudged, ticket))?.[0]
    },
    reason: () => { const last = probes.events.received.findLast(event => event.type === 'rejected'); return last?.type === 'rejected' ? last.reason : undefined },
    standing: () => { const standing = handle.standing(1_000); return kit.settle().then(() => standing) },
    async canonical() {
      await kit.settle()
      const records = [...await store.database.scan(0n, 4_096)]
      return records.map(({ blockNumber, hash, handover }) => `${blockNumber}${handover ? 'h' : ''}:${Buffer.from(hash).toString('hex').slice(0, 8)}`)
    },
    async restart(again = {}) {
      await kit.stop()
      store.lose()
      return house({ ...options, ...again, store })
    },
  }
}

/** Of a directory in which a catch-up has ended before. */
async function opened(database: Database): Promise<Database> {
  await database.open()
  await database.commit({ meta: [{ name: SETTLED, value: 'before' }] })
  return database
}

/** As `House.canonical` shows them. */
export const shown = (blocks: readonly Built[]): string[] =>
  blocks.map(({ number, hash, handoverOnly }) => `${number}${handoverOnly ? 'h' : ''}:${Buffer.from(hash).toString('hex').slice(0, 8)}`)
