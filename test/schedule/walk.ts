import { testKit } from '../../src/actors/kernel/testing/index.js'
import { scheduleConfig } from '../../src/actors/schedule/config.js'
import type { Hex } from '../../src/actors/schedule/facts.js'
import { look } from '../../src/actors/schedule/following.js'
import { missingFor } from '../../src/actors/schedule/history.js'
import { openEndpoints, openL1 } from '../../src/actors/schedule/opening.js'
import { Windows } from '../../src/actors/schedule/windows.js'
import { INBOX } from './fake-l1.js'
import type { FakeL1 } from './fake-l1.js'

/** Follows an L1 as the actor does, without time and mail. */
export async function walk(l1: FakeL1, { handoverSlots = 0 } = {}) {
  const { clock } = testKit()
  const config = scheduleConfig({ rpc: 'http://one/', inbox: INBOX })
  const endpoints = await openEndpoints(config, { clock, random: () => 0.5, log: undefined as never, signal: new AbortController().signal }, () => l1.call)
  const opened = await openL1(config, endpoints, undefined, () => true)
  const { record, reading } = opened
  const windows = new Windows(record, { handoverSlots, fresh: true })
  let { lowest } = opened
  const followedFrom = lowest
  return {
    ...opened, windows,
    /** Reads what old windows want. */
    read: async (ends: readonly number[]): Promise<void> => {
      for (let missing = missingFor(ends, record, windows, handoverSlots > 0); missing !== undefined; missing = missingFor(ends, record, windows, handoverSlots > 0)) {
        if (missing.kind === 'past') {
          const past = await reading.loader.past(record, lowest, missing.until)
          record.prepend(past.since, past.facts, past.activeNow)
          lowest = past.lowest
        } else for (const { epoch, root } of await reading.loader.roots(missing.epoch, followedFrom, each => record.rootAfter(each) === undefined)) record.setRoot(epoch, root)
      }
    },
    async step(): Promise<void> {
      const step = await look(reading.l1, reading.facts, record, reading.clock, { tag: 'latest', quorum: 1, maxReorg: 64, counts: () => true })
      if (step.kind === 'blocks') record.take(step)
    },
    /** Proposers and committers, or why not. */
    answer: (end: number): readonly Hex[] | string => {
      const answer = windows.answer(end)
      if (answer === 'not_slot_end') return answer
      return 'unknown' in answer ? answer.unknown : [...new Set([...answer.committers, ...answer.fallbacks.map(({ proposer }) => proposer)])]
    },
  }
}
