import fc from 'fast-check'
import { messageOf } from '../../src/protocol/thrown.js'
import { historyOf, holds } from '../schedule/histories.js'
import { Tally } from './campaign.js'
import type { Campaign } from './campaign.js'

type Options = 'histories'

/** Histories between two lines for the reader: one check of the tally. */
const SLICE = 250

/** What is answered by whoever follows L1 against the contracts as LOOKAHEAD §3 has them: see test/schedule/model.ts. */
export const campaign: Campaign<Options> = {
  about: 'random histories of L1: posts, strikes, operators, reorgs; every window of three epochs against a model of the contracts',
  options: { histories: { about: 'histories', default: 5_000 } },
  async run({ seed, options: { histories }, log }) {
    await import('viem')
    const tally = new Tally()
    const begun = performance.now()
    for (let done = 0; done < histories; done += SLICE) {
      const numRuns = Math.min(SLICE, histories - done)
      // each history by itself, so that one that fails ends no slice and is not shrunk
      const wrong: string[] = []
      const property = fc.asyncProperty(historyOf, async history => {
        try { await holds(history) } catch (error) { wrong.push(`${messageOf(error).slice(0, 300)}\n${JSON.stringify(history)}`) }
      })
      await fc.assert(property, { seed: seed + done, numRuns })
      tally.passed += numRuns - wrong.length
      for (const each of wrong) tally.check(false, () => `--seed ${seed + done} --histories ${numRuns}: ${each}`)
      log(`${done + numRuns} histories, ${tally.failures.length} wrong, ${((performance.now() - begun) / 1_000).toFixed(0)} s`)
    }
    return tally
  },
}
