import { expect } from 'chai'
import fc from 'fast-check'
import type { Entry } from '../../src/actors/validator/lanes.js'
import { afterDeath } from '../../src/actors/validator/dispatch.js'
import type { Batch } from '../../src/actors/validator/dispatch.js'

function batchOf(count: number): Batch {
  const entries: Entry[] = Array.from({ length: count }, (_, index) => ({ bytes: new Uint8Array(1), origin: { kind: 'own', ticket: index } }))
  return { lane: 'live', entries, deaths: 0 }
}

const ticketOf = ({ origin }: Entry): number => origin.kind === 'own' ? origin.ticket : -1

/** Runs a batch to its end where each of the killers takes its thread with it, every time. */
function run(batch: Batch, kills: (entry: Entry) => boolean): { checked: Entry[]; killers: Entry[]; deaths: number } {
  const queue = [batch]
  const checked: Entry[] = []
  const killers: Entry[] = []
  let deaths = 0
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (!next.entries.some(kills)) { checked.push(...next.entries); continue }
    deaths++
    const again = afterDeath(next)
    if (again === undefined) killers.push(...next.entries)
    else queue.push(...again)
  }
  return { checked, killers, deaths }
}

describe('validator retry', () => {
  it('H31: tries a batch once more before it suspects anybody', () => {
    const batch = batchOf(5)
    expect(afterDeath(batch)).to.deep.equal([{ ...batch, deaths: 1 }])
    expect(afterDeath(batchOf(1))).to.have.length(1)
  })

  it('H31: isolates every killer, and only killers, wherever they are', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 256 }), fc.array(fc.nat(255), { maxLength: 6 }), (count, at) => {
      const killing = new Set(at.filter(index => index < count))
      const { checked, killers } = run(batchOf(count), entry => killing.has(ticketOf(entry)))
      expect(new Set(killers.map(ticketOf))).to.deep.equal(killing)
      expect(checked.length + killers.length).to.equal(count)
      expect(new Set([...checked, ...killers].map(ticketOf)).size).to.equal(count)
    }))
  })

  it('H31: finds one killer among 128 in few deaths', () => {
    for (let at = 0; at < 128; at++) expect(run(batchOf(128), entry => ticketOf(entry) === at).deaths).to.be.at.most(5)
  })
})
