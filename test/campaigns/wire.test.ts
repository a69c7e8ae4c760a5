import { expect } from 'chai'
import { campaign } from './wire.js'

describe('campaign: wire, a sample', function () {
  this.timeout(180_000)

  it('H63 to H72: fuzzed from raw bytes to discv5 it lives, serves the honest node and blames it for nothing, and every byte is accounted for', async () => {
    const lines: string[] = []
    const tally = await campaign.run({ seed: 1, options: { seconds: 30, lanes: 4 }, log: line => { lines.push(line) } })
    expect(tally.failures, lines.join('\n')).to.deep.equal([])
    expect(tally.passed).to.be.greaterThan(40)
  })
})
