import { expect } from 'chai'
import fc from 'fast-check'
import type { BatchKind } from '../../src/actors/validator/packing.js'
import { Slots } from '../../src/actors/validator/slots.js'
import type { Slot } from '../../src/actors/validator/slots.js'
import { samples } from '../support/samples.js'

function slotsOf(threads: number): Slots {
  const slots = new Slots(threads, 2)
  for (let id = 1; id <= threads; id++) slots.add(id)
  return slots
}

/** Takes every place that a kind of batch can have. */
function fill(slots: Slots, kind: BatchKind): Slot[] {
  const taken: Slot[] = []
  for (let slot = slots.choose(kind); slot !== undefined; slot = slots.choose(kind)) {
    slots.take(slot, kind)
    taken.push(slot)
  }
  return taken
}

describe('validator slots', () => {
  it('keeps one of two workers free of txlists, whatever else is under way', () => {
    const slots = slotsOf(2)
    const busy = new Set(fill(slots, 'txLists').map(({ id }) => id))
    expect([...busy]).to.deep.equal([2])
    expect(slots.room('txLists')).to.equal('full')
    expect(slots.room('commitments')).to.equal('idle')
  })

  it('gives an only worker both, and never two batches of txlists ahead of commitments', () => {
    const slots = slotsOf(1)
    expect(fill(slots, 'txLists')).to.have.length(1)
    expect(slots.room('commitments')).to.equal('full')
  })

  it('prefers an idle worker to a place behind a batch', () => {
    const slots = slotsOf(3)
    const ids = [0, 1, 2].map(() => { const slot = slots.choose('commitments')!; slots.take(slot, 'commitments'); return slot.id })
    expect(new Set(ids).size).to.equal(3)
    expect(slots.room('commitments')).to.equal('behind')
  })

  it('runs a suspect alone', () => {
    const slots = slotsOf(1)
    const slot = slots.choose('commitments', true)!
    slots.take(slot, 'commitments', true)
    expect(slots.room('commitments')).to.equal('full')
    slots.release(slot)
    slots.take(slot, 'commitments')
    expect(slots.choose('commitments', true)).to.equal(undefined)
    expect(slots.room('commitments')).to.equal('behind')
  })

  it('hands the reserve to the successor of the worker that had it', () => {
    const slots = slotsOf(2)
    slots.remove(1)
    expect(slots.choose('txLists')?.id).to.equal(2)
    slots.add(7)
    expect(fill(slots, 'txLists').every(({ id }) => id === 2)).to.equal(true)
  })

  it('always has a worker without txlists where there are two or more, in any history', () => {
    const step = fc.constantFrom('take commitments', 'take txLists', 'take alone', 'release', 'die')
    fc.assert(fc.property(fc.integer({ min: 2, max: 4 }), fc.array(step, { maxLength: 80 }), (threads, steps) => {
      const slots = slotsOf(threads)
      let flights: Slot[] = []
      let next = threads + 1
      for (const each of steps) {
        if (each === 'release') {
          const slot = flights.shift()
          if (slot !== undefined) slots.release(slot)
        } else if (each === 'die') {
          const dead = flights[0]
          if (dead === undefined) continue
          slots.remove(dead.id)
          flights = flights.filter(slot => slot !== dead)
          slots.add(next++)
        } else {
          const kind = each === 'take txLists' ? 'txLists' : 'commitments'
          const slot = slots.choose(kind, each === 'take alone')
          if (slot === undefined) continue
          slots.take(slot, kind, each === 'take alone')
          flights.push(slot)
        }
        expect(slots.running).to.equal(flights.length)
        const hands = new Map<number, number>()
        for (const { id } of flights) hands.set(id, (hands.get(id) ?? 0) + 1)
        expect(Math.max(0, ...hands.values())).to.be.at.most(2)
        expect(new Set(flights.filter(({ txLists }) => txLists).map(({ id }) => id)).size).to.be.at.most(threads - 1)
      }
    }), { numRuns: samples(300) })
  })
})
