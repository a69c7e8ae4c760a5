import { seededRandom } from '../../src/actors/kernel/index.js'
import type { Random } from '../../src/actors/kernel/index.js'
import { Tally } from './campaign.js'
import type { Campaign } from './campaign.js'
import { History } from './sink/history.js'

type Options = 'histories' | 'steps'

export const campaign: Campaign<Options> = {
  about: 'random histories of writers, standbys, consumers and a real broker: what a consumer folds is what blocks() gives, each time (needs nats-server)',
  options: {
    histories: { about: 'how many', default: 300 },
    steps: { about: 'steps of each', default: 25 },
  },
  async run({ seed, options: { histories, steps }, log }) {
    const tally = new Tally()
    const random: Random = seededRandom(seed)
    const began = performance.now()
    let blocks = 0
    await History.withServer(async server => {
      for (let at = 1; at <= histories; at++) {
        const own = Math.floor(random() * 2 ** 31)
        const history = await History.start(server, seededRandom(own))
        try {
          await history.play(steps)
          blocks += await history.end()
          tally.check(history.complaints.length === 0, () => `history ${at} (${own}): ${history.complaints.join('; ')}\n${history.told.join('\n')}`)
        } catch (error) {
          tally.check(false, () => `history ${at} (${own}): ${(error as Error).message}\n${history.told.join('\n')}`)
          log(`history ${at} failed: ${(error as Error).message}`)
        } finally {
          await history.close()
        }
        if (at % 25 === 0) log(`${at} histories, ${blocks} blocks compared, ${((performance.now() - began) / 1_000).toFixed(0)} s`)
      }
    })
    return tally
  },
}
