import { expect } from 'chai'
import { ALICE, BOB, CAROL, MALLORY, build } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { Model } from './model.js'
import type { Answer, Bounds, Commitment } from './state.js'
import { World, tipOf } from './world.js'

/** What one history runs under. */
export interface Scene {
  readonly tip: 'hash' | 'no hash' | 'none'
  readonly maxReorgDepth: number
  readonly maxPending: number
  readonly maxHeld: number
  readonly seed: number
}

/** A commitment that has been made, whether or not anybody has sent it. */
export interface Made { readonly built: Built; readonly as: Commitment }

const START = 1_800_000_000n
export const FIRST_WINDOW = START + 12n
export const FIRST_HEIGHT = 100n
/** The key of this node. */
export const OURS = ALICE
const SIGNERS = [ALICE, BOB, CAROL]
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
/** Whose slasher address stands for "the application's rules refuse it". */
const REFUSED = 9

/** Chai's proxies cost more than the whole chain: only what differs is told by it. */
function same(real: string, model: string, what: () => string): void { if (real !== model) expect(real, what()).to.equal(model) }

/** Times in seconds; between whole ones, so that no step of a history ends on a deadline. */
const TIMES = { holdFor: 60.4, handoverWait: 10.4, verdictWithin: 6.4 }

/** One history under way: the same things happen to the model and to the real parts. */
export class Session {
  readonly model: Model
  readonly world: World
  readonly pool: Made[] = []
  /** Windows of which the schedule knows nothing yet are those of index 5, 12, …, above this. */
  revealed = 0n
  /** Windows that another signer has been given. */
  readonly swapped = new Set<bigint>()
  /** The application has demoted: up to where it did, the store is asked first, for as long as the chain has not passed it by far. */
  asksFirst = false
  /** What happened, for the report. */
  readonly log: string[]
  readonly #bounds: Bounds
  #answers: { readonly since: number; readonly what: Made; readonly expected: Answer; readonly real: () => Answer['verdict'] | 'reject' | undefined }[] = []

  constructor(readonly scene: Scene) {
    const { maxReorgDepth, maxPending, maxHeld, seed } = scene
    const held = { maxHeld, maxHeldPerPeer: Math.ceil(maxHeld * 2 / 3) }
    this.log = [`tip: ${scene.tip}, maxReorgDepth ${maxReorgDepth}, maxPending ${maxPending}, maxHeld ${maxHeld}`]
    this.#bounds = { maxReorgDepth, maxPending, ...held, holdFor: TIMES.holdFor, verdictWithin: TIMES.verdictWithin, handoverWait: TIMES.handoverWait, windowHorizon: 3_600 }
    const tip = scene.tip === 'none' ? undefined : { number: FIRST_HEIGHT - 1n, id: scene.tip === 'hash' ? hex(new Uint8Array(32)) : undefined }
    const elected = (window: bigint) => this.elected(window)
    this.model = new Model(this.#bounds, Number(START), window => { const signer = elected(window); return signer === undefined ? undefined : hex(signer) }, new Set([hex(OURS)]), tip)
    this.world = new World({
      seed, elected,
      refuses: ssz => ssz[0] === REFUSED,
      config: {
        ...{ ownAddresses: [OURS] },
        maxReorgDepth, maxPendingParents: maxPending, maxMissingTxLists: 4_096, scheduleCache: 1_024, ...held,
        holdFor: TIMES.holdFor * 1_000, handoverWait: TIMES.handoverWait * 1_000, verdictWithin: TIMES.verdictWithin * 1_000,
        ...(tip !== undefined && { confirmedTip: tipOf(tip.number, tip.id === undefined ? undefined : new Uint8Array(32)) }),
      },
    }, 3)
  }

  elected(window: bigint): Uint8Array | undefined {
    const index = (window - FIRST_WINDOW) / 12n
    if (index % 7n === 5n && index > this.revealed) return undefined
    return SIGNERS[Number((index + (this.swapped.has(window) ? 1n : 0n)) % 3n + 3n) % 3]
  }

  make({ parent, number, window, kind, salt, forged, refused }: {
    readonly parent: Made | undefined; readonly number: bigint; readonly window: bigint; readonly kind: 'block' | 'eop' | 'handoverOnly'
    readonly salt: number; readonly forged: boolean; readonly refused: boolean
  }): Made {
    const signer = forged ? MALLORY : this.elected(window) ?? SIGNERS[Number((window - FIRST_WINDOW) / 12n % 3n + 3n) % 3]!
    const built = build({
      number, window, signer, salt, eop: kind === 'eop', handoverOnly: kind === 'handoverOnly', slasher: refused ? REFUSED : 0, ...(parent !== undefined && { parent: parent.built }),
    })
    const as: Commitment = {
      id: hex(built.hash), parent: parent === undefined ? hex(new Uint8Array(32)) : parent.as.id, number, window, signer: hex(signer),
      eop: kind !== 'block', handoverOnly: kind === 'handoverOnly', txList: hex(built.txListHash), refused,
    }
    return this.pool.find(each => each.as.id === as.id) ?? { built, as }
  }

  add(made: Made): void { if (!this.pool.some(({ as }) => as.id === made.as.id)) this.pool.push(made) }

  /** The model's answer, and how to look at the real one: compared until there is one. */
  expectAnswer(what: Made, expected: Answer, real: () => Answer['verdict'] | 'reject' | undefined): void { this.#answers.push({ since: this.model.uptime, what, expected, real }) }

  #compareAnswers(): void {
    this.#answers = this.#answers.filter(({ since, what, expected, real }) => {
      const said = real()
      // A refusal may wait for the schedule to be asked once more, which is done at most once a second (H73).
      if (said === undefined && expected.verdict === 'ignore' && this.model.uptime - since < 2) return true
      expect(said === 'reject' ? 'ignore' : said ?? 'held', `verdict on ${this.name(what.as.id)}, ${this.world.reason()}`).to.equal(expected.verdict)
      return said === undefined
    })
  }

  /** Nobody will say any more. */
  forgetAnswers(): void { this.#answers = [] }

  name(id: string): string {
    const at = this.pool.findIndex(({ as }) => as.id === id)
    const as = this.pool[at]?.as
    return as === undefined ? id.slice(0, 8) : `#${at} (${as.number}${as.handoverOnly ? 'h' : ''} window ${(as.window - FIRST_WINDOW) / 12n})`
  }

  /** After every step. */
  async compare(): Promise<void> {
    const { world, model } = this
    this.asksFirst ||= model.now.having('retired').length > 0
    await world.kit.settle()
    this.#compareAnswers()
    const { durable } = model
    const head = durable.head
    const { headHash } = await this.#standing()
    expect(headHash === undefined ? 'none' : this.name(hex(headHash)), 'head').to.equal(head === undefined ? 'none' : this.name(head.id))
    for (const { as, built } of this.pool) {
      const record = await world.database.commitmentByHash(built.hash)
      same(record?.standing ?? 'not kept', this.#stands(as.id), () => `standing of ${this.name(as.id)}`)
    }
    const missing = await world.database.missingTxLists(0n, 4_096)
    expect(missing.missing.map(({ hash }) => hex(hash)), 'wanted txlists').to.deep.equal(durable.wants)
    expect(await this.#servedHead(), 'served head').to.deep.equal(model.servedHead)
    const page = await world.database.scan(0n, 4_096)
    const { canonical } = durable
    expect([...page].map(({ hash }) => this.name(hex(hash))), 'served').to.deep.equal(canonical.map(({ id }) => this.name(id)))
    const blocks = new Map(canonical.filter(({ handoverOnly }) => !handoverOnly).map(({ number, id }) => [number, id]))
    for (const [at, reader] of world.readers.entries()) {
      expect(reader.complaints, `reader ${at}`).to.deep.equal([])
      // Who has all there was follows what comes.
      if (!reader.drained) continue
      await reader.read(10_000, world.kit.settle)
      expect(reader.complaints, `reader ${at}`).to.deep.equal([])
      for (const height of new Set([...reader.chain.keys(), ...blocks.keys()])) {
        const [read, ours] = [reader.chain.get(height) ?? 'nothing', blocks.get(height) ?? 'nothing']
        same(read, ours, () => `reader ${at} at ${height} (${reader.items.slice(-6).join(', ')}): ${this.name(read)} for ${this.name(ours)}`)
      }
    }
  }

  /** At the end every reader comes back, and has the chain. */
  async finish(): Promise<void> {
    const { world, model } = this
    if (world.failing) {
      world.failing = false
      await world.kit.advance(11_000)
      model.thaw()
      model.pass(11)
    }
    for (const reader of world.readers) {
      reader.attach()
      await reader.read(10_000, world.kit.settle)
      expect(reader.drained || !reader.attached, 'a reader at the end').to.equal(true)
    }
    await this.compare()
  }

  /** A rival is not kept as a commitment: it is evidence. */
  #stands(id: string): string {
    const standing = this.model.durable.kept.get(id)?.standing
    return standing === undefined || standing === 'rival' ? 'not kept' : standing
  }

  async #servedHead() {
    void this.world.chain.serveHead(1)
    await this.world.kit.settle()
    return this.world.servedHead()
  }

  async #standing() {
    const standing = this.world.chain.standing(1_000)
    await this.world.kit.settle()
    return standing
  }

}
