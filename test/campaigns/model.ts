import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { search } from '../model/run.js'
import { Tally } from './campaign.js'
import type { Campaign, CampaignRun } from './campaign.js'

type Options = 'histories' | 'steps' | 'processes'

/** Histories between two lines for the reader: one check of the tally. */
const SLICE = 250
const MAIN = fileURLToPath(new URL('main.js', import.meta.url))

/** The real chain, store and stream against SPEC §6 and §7 as a program: see test/model/model.ts. */
export const campaign: Campaign<Options> = {
  about: 'random histories: chain, store and stream against the model of SPEC §6 and §7, compared after every step',
  options: {
    histories: { about: 'histories', default: 20_000 },
    steps: { about: 'steps of a history, at most', default: 60 },
    processes: { about: 'processes that share them: the same histories as in one', default: 1 },
  },
  async run(run) {
    const { histories, processes } = run.options
    const tally = new Tally()
    if (processes <= 1) {
      await searchAll(run, tally)
      return tally
    }
    const share = Math.ceil(histories / processes / SLICE) * SLICE
    const shares = Array.from({ length: Math.ceil(histories / share) }, (_, at) => at * share)
    await Promise.all(shares.map(async from => searchElsewhere(run, { from, histories: Math.min(share, histories - from) }, tally)))
    return tally
  },
}

async function searchAll({ seed, options: { histories, steps }, log }: CampaignRun<Options>, tally: Tally): Promise<void> {
  const begun = performance.now()
  for (let done = 0; done < histories; done += SLICE) {
    const slice = Math.min(SLICE, histories - done)
    const difference = await search({ histories: slice, steps, seed: (seed + done) % 2 ** 31 })
    tally.check(difference === undefined, () => difference ?? '')
    log(`${done + slice} histories in ${((performance.now() - begun) / 1_000).toFixed(0)} s${difference === undefined ? '' : `: ${difference}`}`)
  }
}

/** The same in a process of its own: its lines are passed on, its exit is a check for each of its slices. */
async function searchElsewhere(
  { seed, options: { steps }, log }: CampaignRun<Options>, { from, histories }: { readonly from: number; readonly histories: number }, tally: Tally,
): Promise<void> {
  const args = ['model', '--seed', String((seed + from) % 2 ** 31), '--histories', String(histories), '--steps', String(steps)]
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let result: RegExpExecArray | null = null
  for await (const line of createInterface({ input: child.stdout })) {
    result = /^(\d+) passed, (\d+) failed$/.exec(line)
    if (result === null) log(`from ${from}: ${line}`)
  }
  if (child.exitCode === null) await once(child, 'exit')
  tally.passed += Number(result?.[1] ?? 0)
  tally.check(child.exitCode === 0, () => `the histories from ${from} on: ${result?.[0] ?? 'ended without a result'}, see above`)
}
