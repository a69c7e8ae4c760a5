import { alternate, describeSample, logVersions, loopDelay, quantile } from './harness.js'
import type { BenchOptions, BenchResult, Sample } from './harness.js'
import { BareThreads } from './validate/bare.js'
import { Edge } from './validate/edge.js'
import { makeCommitments } from './validate/material.js'

export const about = 'commitments of one to four signers from the driver’s edge to the verdict with two workers; beside two bare threads'

const GOAL = 4.5
const COMMITMENTS = 4_096
const SIGNERS = [1, 2, 3, 4] as const
/** The subject is several times faster: it goes through the messages more often, so that both take about as long. */
const TIMES = 24
const BARE_TIMES = 6
/** Messages without a verdict at most: what a burst of gossip leaves in the validator. */
const WINDOW = 2_048
const ROUNDS = 5

interface Measured {
  readonly subject: Sample
  readonly baseline: Sample
  readonly ratio: Sample
  readonly busy: number
  readonly delayP99Ms: number
  /** Share of signatures that the batch module decided. */
  readonly batched: number
}

async function measure(signers: number, options: BenchOptions): Promise<Measured> {
  const items = await makeCommitments(COMMITMENTS, signers, { windows: true })
  const times = Math.max(1, Math.round(TIMES * options.scale))
  const bareTimes = Math.max(1, Math.round(BARE_TIMES * options.scale))
  const edge = await Edge.start({ pool: { threads: 2 } })
  const bare = await BareThreads.start('commitments', items)
  try {
    const cpu: number[] = []
    const { subject, baseline, ratio } = await alternate({
      rounds: options.rounds ?? ROUNDS,
      subject: async () => {
        const before = performance.eventLoopUtilization()
        const perSecond = await edge.round('commitments', items, times, WINDOW)
        cpu.push(performance.eventLoopUtilization(before).utilization)
        return perSecond
      },
      baseline: () => bare.round(bareTimes),
    })
    const delay = await loopDelay(() => edge.round('commitments', items, times, WINDOW))
    const { together, messages } = await edge.figures()
    const batched = together.batched / messages
    options.log(`${signers} signers: validator ${describeSample(subject)} a second, bare threads ${describeSample(baseline)}, ratio ${describeSample(ratio)}`)
    options.log(`  ${JSON.stringify(together)}`)
    return { subject, baseline, ratio, busy: quantile(cpu, 0.5), delayP99Ms: delay.p99Ms, batched }
  } finally {
    await edge.stop()
    await bare.stop()
  }
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['piscina', 'secp256k1', 'hash-wasm'])
  const chosen = options.set['signers'] === undefined ? SIGNERS : [Number(options.set['signers'])]
  const figures: Record<string, number> = {}
  let worst = Infinity
  for (const signers of chosen) {
    const { subject, baseline, ratio, busy, delayP99Ms, batched } = await measure(signers, options)
    worst = Math.min(worst, ratio.median)
    Object.assign(figures, {
      [`perSecond${signers}`]: subject.median, [`barePerSecond${signers}`]: baseline.median, [`ratio${signers}`]: ratio.median,
      [`mainThreadBusy${signers}`]: busy, [`loopDelayP99Ms${signers}`]: delayP99Ms, [`batchedShare${signers}`]: batched,
    })
  }
  return { bench: 'validate', figures, ratio: worst, goal: GOAL, pass: worst >= GOAL }
}
