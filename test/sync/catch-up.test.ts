import { expect } from 'chai'
import { chainOf, heightsOf, peer, simulate } from './sim.js'

describe('sync: catch-up', () => {
  for (const behind of [0, 1, 255, 256, 257, 1_000]) {
    it(`H26 ${behind} behind`, async () => {
      const chain = chainOf(1n, BigInt(behind))
      const sim = await simulate([peer('a', chain), peer('b', chain)])
      const result = await sim.catchUp()
      expect(result.outcome).to.equal('caught_up')
      expect(heightsOf(sim.chain)).to.deep.equal(chain.map((_, at) => BigInt(at + 1)))
      expect(sim.failures()).to.deep.equal({})
      await sim.kit.stop()
    })
  }
})
