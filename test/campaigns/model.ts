import { search } from '../model/run.js'
import { Tally } from './campaign.js'
import type { Campaign } from './campaign.js'

/** Histories between two lines for the reader. */
const SLICE = 250

/** The real chain, store and stream against SPEC §6 and §7 as a program: see test/model/model.ts. */
export const campaign: Campaign<'histories' | 'steps'> = {
  about: 'random histories: chain, store and stream against the model of SPEC §6 and §7, compared after every step',
  options: {
    histories: { about: 'histories', default: 20_000 },
    steps: { about: 'steps of a history, at most', default: 60 },
  },
  async run({ seed, options: { histories, steps }, log }) {
    const tally = new Tally()
    const begun = performance.now()
    for (let done = 0; done < histories; done += SLICE) {
      const slice = Math.min(SLICE, histories - done)
      const difference = await search({ histories: slice, steps, seed: (seed + done) % 2 ** 31 })
      tally.check(difference === undefined, () => difference ?? '')
      log(`${done + slice} histories in ${((performance.now() - begun) / 1_000).toFixed(0)} s${difference === undefined ? '' : `: ${difference}`}`)
    }
    return tally
  },
}
