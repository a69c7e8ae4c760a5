import { randomThreads } from '../kernel/threads/random.js'
import { Tally } from './campaign.js'
import type { Campaign } from './campaign.js'

/** Random trees with actors in threads: see test/kernel/threads/random.ts. */
export const campaign: Campaign<'trees'> = {
  about: 'random trees with actors in threads: kills, hangs, floods, restarts, stops; nothing lost that is promised, no thread left',
  options: { trees: { about: 'trees', default: 500 } },
  async run({ seed, options, log }) {
    const tally = new Tally()
    const sums: Record<string, number> = {}
    for (let tree = 0; tree < options.trees; tree++) {
      const failure = await randomThreads(seed + tree).then(one => {
        for (const [name, count] of Object.entries<number>({ ...one })) sums[name] = (sums[name] ?? 0) + count
        return undefined
      }, (error: unknown) => String(error))
      tally.check(failure === undefined, () => `seed ${seed + tree}: ${failure}`)
      if (failure !== undefined) log(`tree ${tree + 1}, --trees 1 --seed ${seed + tree}: ${failure}`)
      if ((tree + 1) % 50 === 0) log(`${tree + 1} trees: ${JSON.stringify(sums)}`)
    }
    return tally
  },
}
