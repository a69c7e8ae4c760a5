import { setTimeout as sleep } from 'node:timers/promises'
import { alternate, describeSample, logVersions, loopDelay, quantile } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { BareThreads } from './validate/bare.js'
import { Edge } from './validate/edge.js'
import { makeCommitments } from './validate/material.js'

export const about = 'commitments, each of another signer, from the driver’s edge to the verdict with two workers; beside two bare threads'

const GOAL = 0.9
const COMMITMENTS = 4_096
const TIMES = 6
/** Messages without a verdict at most: what a burst of gossip leaves in the validator. */
const WINDOW = 2_048
const LONE = 400
const ROUNDS = 7

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['piscina', 'secp256k1', 'hash-wasm'])
  const items = await makeCommitments(COMMITMENTS)
  const times = Math.max(1, Math.round(TIMES * options.scale))
  const edge = await Edge.start({ pool: { threads: 2 } })
  const bare = await BareThreads.start('commitments', items)
  try {
    const cpu: number[] = []
    const { subject, baseline, ratio } = await alternate({
      rounds: options.rounds ?? ROUNDS,
      warmups: 2,
      subject: async () => {
        const before = performance.eventLoopUtilization()
        const perSecond = await edge.round('commitments', items, times, WINDOW)
        cpu.push(performance.eventLoopUtilization(before).utilization)
        return perSecond
      },
      baseline: () => bare.round(times),
    })
    const lone: number[] = []
    for (let index = 0; index < LONE * options.scale; index++) {
      lone.push(await edge.lone(items[index % items.length]!, index))
      await sleep(2)
    }
    const delay = await loopDelay(() => edge.round('commitments', items, times, WINDOW))
    const figures = await edge.figures()
    options.log(`validator ${describeSample(subject)} a second, bare threads ${describeSample(baseline)}, ratio ${describeSample(ratio)}`)
    options.log(`batches by size (1, 2, 4, … 128): ${figures.batchSizes.join(' ')}`)
    return {
      bench: 'validate-unknown',
      figures: {
        perSecond: subject.median, barePerSecond: baseline.median, ratioMin: ratio.min, ratioMax: ratio.max,
        loneP50Ms: quantile(lone, 0.5), loneP99Ms: quantile(lone, 0.99),
        mainThreadBusy: quantile(cpu, 0.5), loopDelayP99Ms: delay.p99Ms, loopDelayMaxMs: delay.maxMs,
        messagesPerBatch: figures.messages / figures.batches,
      },
      ratio: ratio.median, goal: GOAL, pass: ratio.median >= GOAL,
    }
  } finally {
    await edge.stop()
    await bare.stop()
  }
}
