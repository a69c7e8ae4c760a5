import { expect } from 'chai'
import { campaign } from './schedule.js'

describe('campaign: schedule, a sample', () => {
  it('L9 random histories of L1 are answered as the contracts have it', async () => {
    const tally = await campaign.run({ seed: 1, options: { histories: 100 }, log: () => undefined })
    expect(tally.failures).deep.equal([])
    expect(tally.passed).equal(100)
  })
})
