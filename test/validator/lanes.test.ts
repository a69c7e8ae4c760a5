import { expect } from 'chai'
import { LANES, Lanes } from '../../src/actors/validator/lanes.js'
import type { Entry, LaneName } from '../../src/actors/validator/lanes.js'
import { validatorConfig } from '../../src/actors/validator/index.js'

const entry = (size = 382): Entry => ({ bytes: new Uint8Array(size), origin: { kind: 'own', ticket: 0 } })
const some = (count: number, size?: number): Entry[] => Array.from({ length: count }, () => entry(size))
const defaults = validatorConfig().lanes
const all = (): boolean => true
const large: Entry = entry(262_144)

describe('validator lanes', () => {
  it('gives entries in the order in which they came, over many rounds', () => {
    const lanes = new Lanes(defaults)
    const sent: Entry[] = []
    const got: Entry[] = []
    for (let round = 0; round < 500; round++) {
      const more = some(round % 23)
      sent.push(...more)
      lanes.add('live', more, 0)
      got.push(...lanes.take('live', 11, Infinity))
    }
    got.push(...lanes.take('live', Infinity, Infinity))
    expect(got.length).to.equal(sent.length)
    expect(got.every((each, index) => each === sent[index])).to.equal(true)
    expect([lanes.messages('live'), lanes.bytes('live')]).to.deep.equal([0, 0])
  })

  it('is bounded by count and by bytes, all or none', () => {
    const lanes = new Lanes({ ...defaults, live: { messages: 3, bytes: 10_000, share: 0 }, txLists: { messages: 100, bytes: 1_000, share: 0 } })
    expect(lanes.add('live', some(2), 0)).to.equal(true)
    expect(lanes.add('live', some(2), 0)).to.equal(false)
    expect(lanes.add('live', some(1), 0)).to.equal(true)
    expect(lanes.add('txLists', some(1, 600), 0)).to.equal(true)
    expect(lanes.add('txLists', some(1, 600), 0)).to.equal(false)
    expect(lanes.messages('live')).to.equal(3)
    expect(lanes.bytes('txLists')).to.equal(600)
    lanes.take('txLists', 1, 1)
    expect(lanes.add('txLists', some(1, 600), 0)).to.equal(true)
  })

  it('cuts a batch by count and by bytes, but takes at least one message', () => {
    const lanes = new Lanes(defaults)
    lanes.add('txLists', [entry(900), entry(200), entry(100)], 0)
    expect(lanes.take('txLists', 10, 500).map(({ bytes }) => bytes.length)).to.deep.equal([900])
    expect(lanes.take('txLists', 10, 300).map(({ bytes }) => bytes.length)).to.deep.equal([200, 100])
    expect(lanes.take('txLists', 10, 300)).to.deep.equal([])
  })

  it('says since when its first entry waits', () => {
    const lanes = new Lanes(defaults)
    expect(lanes.since('live')).to.equal(undefined)
    lanes.add('live', some(1), 5)
    lanes.add('live', some(1), 9)
    expect(lanes.since('live')).to.equal(5)
    lanes.take('live', 1, Infinity)
    expect(lanes.since('live')).to.equal(9)
  })

  it('goes by precedence where nobody falls short', () => {
    const lanes = new Lanes(defaults)
    lanes.add('txLists', some(1), 0)
    expect(lanes.next(all)).to.equal('txLists')
    lanes.add('pages', some(1), 0)
    lanes.add('live', some(1), 0)
    expect(lanes.next(all)).to.equal('live')
    expect(lanes.next(lane => lane !== 'live')).to.equal('pages')
    expect(lanes.next(() => false)).to.equal(undefined)
  })

  /** Work of each lane in µs when all always have something waiting. */
  function underFlood(waiting: readonly LaneName[], batches: number): Record<LaneName, number> {
    const lanes = new Lanes(defaults)
    const work: Record<LaneName, number> = { live: 0, pages: 0, txLists: 0 }
    for (let batch = 0; batch < batches; batch++) {
      for (const lane of waiting) {
        if (lanes.messages(lane) < 128) lanes.add(lane, lane === 'txLists' ? Array.from({ length: 128 }, () => large) : some(128), 0)
      }
      const lane = lanes.next(all)!
      const taken = lanes.take(lane, 64, 1_048_576)
      work[lane] += lane === 'txLists' ? taken.length * 922 : taken.length * 65
    }
    return work
  }

  it('starves no lane: each gets its minimum share while all of them overflow', () => {
    const work = underFlood(LANES, 2_000)
    const total = work.live + work.pages + work.txLists
    for (const lane of LANES) expect(work[lane] / total, lane).to.be.above(defaults[lane].share * 0.9)
    expect(work.live).to.be.above(work.pages)
  })

  it('gives what others do not use to who comes first', () => {
    const { live, txLists } = underFlood(['live', 'txLists'], 2_000)
    expect(txLists / (live + txLists)).to.be.within(0.09, 0.15)
  })

  it('gives no credit for time without work', () => {
    const lanes = new Lanes(defaults)
    for (let batch = 0; batch < 100; batch++) { lanes.add('live', some(64), 0); lanes.take('live', 64, Infinity) }
    lanes.add('txLists', some(10, 1_048_576), 0)
    lanes.add('live', some(64), 0)
    expect(lanes.next(all)).to.equal('live')
  })
})
