import { expect } from 'chai'
import { search } from './run.js'

describe('the model of SPEC §6 and §7, a sample', function () {
  this.timeout(120_000)

  for (const seed of [1, 2]) {
    it(`chain, store and stream do what it says, whatever happens (seed ${seed})`, async () => {
      expect(await search({ histories: 25, steps: 60, seed })).to.equal(undefined)
    })
  }
})
