import { DEFAULT_CHAIN_ID, topicsOf } from '../../../src/protocol/index.js'
import { createAuthors, envelopes } from '../../network/envelopes.js'
import type { Authors } from '../../network/envelopes.js'
import type { Chance } from './chance.js'
import { field, intField } from './encode.js'

const topics = topicsOf(DEFAULT_CHAIN_ID)
const NAMES = [topics.commitments, topics.txLists, '/taiko/1/0/preconfirmationCommitments', '', 'x'.repeat(300)]

/** Gossipsub RPCs, field by field: in the right form, in every form that the table of envelopes has, doubled, empty, of another type. */
export class GossipRpcs {
  private constructor(private readonly chance: Chance, private readonly authors: Authors) {}

  static async create(chance: Chance): Promise<GossipRpcs> { return new GossipRpcs(chance, await createAuthors()) }

  async rpc(): Promise<Buffer> {
    const { chance } = this
    const parts: Buffer[] = []
    for (let more = chance.between(1, 6); more > 0; more--) parts.push(await this.#part())
    const whole = Buffer.concat(parts)
    return chance.yes(0.3) ? chance.mutated(whole) : whole
  }

  async #part(): Promise<Buffer> {
    const { chance } = this
    switch (chance.int(6)) {
      case 0: return Buffer.concat(chance.some(100, () => field(1, this.#subscription())))
      case 1: case 2: return field(2, await this.#message())
      case 3: return field(3, this.#control())
      // nothing, many times
      case 4: return Buffer.concat(chance.some(20_000, () => field(chance.pick([1, 2, 3]), new Uint8Array(0))))
      default: return chance.yes() ? intField(chance.between(1, 20), chance.number()) : field(chance.between(1, 20), chance.bytes(chance.int(50)))
    }
  }

  #subscription(): Buffer { return Buffer.concat([intField(1, this.chance.int(3)), field(2, this.chance.pick(NAMES))]) }

  async #message(): Promise<Uint8Array> {
    const { chance } = this
    const topic = chance.pick(NAMES)
    const data = chance.pick([() => chance.bytes(382), () => chance.bytes(chance.int(2_000)), () => Buffer.concat([chance.bytes(32), Buffer.from([36, 0, 0, 0]), chance.bytes(100)]), () => bomb])()
    if (chance.yes(0.7)) return chance.pick(envelopes).make(this.authors, { data, topic, seqno: chance.bytes(8) })
    const fields = [field(1, chance.bytes(chance.pick([0, 38, 39, 500]))), field(2, data), field(3, chance.bytes(chance.pick([0, 8, 20]))), field(4, topic), field(5, chance.bytes(chance.pick([0, 64, 70]))), field(6, chance.bytes(chance.int(600)))]
    return Buffer.concat(fields.filter(() => chance.yes(0.8)).flatMap(each => chance.yes(0.1) ? [each, each] : [each]))
  }

  #control(): Buffer {
    const { chance } = this
    const ids = (number: number): Buffer => Buffer.concat(chance.some(6_000, () => field(number, chance.bytes(chance.pick([20, 20, 0, 64])))))
    const kinds = [
      () => field(1, Buffer.concat([field(1, chance.pick(NAMES)), ids(2)])), () => field(2, ids(1)), () => field(3, field(1, chance.pick(NAMES))),
      () => field(4, Buffer.concat([field(1, chance.pick(NAMES)), ...chance.some(30, () => field(2, chance.bytes(40))), intField(3, chance.number())])), () => field(5, ids(1)),
    ]
    return Buffer.concat(chance.some(80, () => chance.pick(kinds)()))
  }
}

/** Raw snappy that declares 10 MiB, and begins with the header of a txlist. */
const bomb = Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x05]), Buffer.alloc(28, 0xfe), Buffer.from([36, 0, 0, 0]), Buffer.alloc(1_000, 0xfe)])
