import { alternate, describeSample, logVersions, loopDelay, quantile } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { BareThreads } from './validate/bare.js'
import { Edge } from './validate/edge.js'
import { makeTxLists } from './validate/material.js'

export const about = 'txlists of 2 MiB, from the driver’s edge to the verdict; beside bare hash-wasm in as many threads as take txlists'

const GOAL = 0.9
const TXLISTS = 16
const SIZE = 2_097_152
const TIMES = 8
/** Txlists without a verdict at most. */
const WINDOW = 12
const ROUNDS = 7

/**
 * Of two workers one never takes txlists (docs/architecture.md), so the like-for-like baseline is one bare
 * thread; `--set workers=3` gives two on each side.
 */
export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['piscina', 'hash-wasm'])
  const items = await makeTxLists(TXLISTS, SIZE)
  const times = Math.max(1, Math.round(TIMES * options.scale))
  const threads = Number(options.set['workers'] ?? 3)
  const edge = await Edge.start({ pool: { threads } })
  const bare = await BareThreads.start('txLists', items, Math.max(1, threads - 1))
  try {
    const busy: number[] = []
    const { subject, baseline, ratio } = await alternate({
      rounds: options.rounds ?? ROUNDS,
      subject: async () => {
        const before = performance.eventLoopUtilization()
        const perSecond = await edge.round('txLists', items, times, WINDOW)
        busy.push(performance.eventLoopUtilization(before).utilization)
        return perSecond
      },
      baseline: () => bare.round(times),
    })
    const delay = await loopDelay(() => edge.round('txLists', items, times, WINDOW))
    options.log(`validator ${describeSample(subject)} a second, bare threads ${describeSample(baseline)}, ratio ${describeSample(ratio)}`)
    return {
      bench: 'txlist',
      figures: {
        perSecond: subject.median, barePerSecond: baseline.median, ratioMin: ratio.min, ratioMax: ratio.max,
        mainThreadBusy: quantile(busy, 0.5), loopDelayP99Ms: delay.p99Ms, loopDelayMaxMs: delay.maxMs, threads: Math.max(1, threads - 1),
      },
      ratio: ratio.median, goal: GOAL, pass: ratio.median >= GOAL,
    }
  } finally {
    await edge.stop()
    await bare.stop()
  }
}
