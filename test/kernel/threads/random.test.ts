import { expect } from 'chai'
import { randomThreads } from './random.js'

/** `npm run campaign -- threads` runs five hundred. */
const TREES = 12

describe('kernel: random trees with actors in threads', function () {
  this.timeout(120_000)

  it(`K89 K96 K100 K109 ${TREES} trees with kills, hangs, floods, restarts and stops: nothing lost that the clauses promise, no thread left`, async () => {
    let [lives, drained] = [0, 0]
    for (let seed = 1; seed <= TREES; seed++) {
      try {
        const tally = await randomThreads(seed)
        lives += tally.lives
        drained += tally.drained
      } catch (cause) { throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause }) }
    }
    expect(lives).greaterThan(TREES * 2)
    expect(drained).greaterThan(0)
  })
})
