import fc from 'fast-check'
import { historyOf, holds } from '../schedule/histories.js'
import { samples } from '../support/samples.js'

const RUNS = samples(300)

describe('the schedule from L1, against a model of the contracts', () => {
  before(async () => { await import('viem') })

  it(`L9 in ${RUNS} random histories over three epochs, whoever is right is answered, and nobody else (npm run campaign -- schedule: 5,000)`, async () => {
    await fc.assert(fc.asyncProperty(historyOf, holds), { numRuns: RUNS })
  })
})
