import { messageOf } from '../../protocol/thrown.js'
import type { Endpoints } from './endpoints.js'
import { ScheduleError } from './errors.js'
import type { ScheduleFigures } from './ingress.js'
import type { ScheduleView } from './view.js'
import { EPOCH, SLOT } from './time.js'

/** What the actor counts. */
export interface Counters { reorgs: number; behind: number; mismatches: number }

export function figuresOf(view: ScheduleView, endpoints: Endpoints, { reorgs, behind, mismatches }: Counters, failing: unknown, now: number): ScheduleFigures {
  const { last, fresh, answers, waiting } = view
  const record = last?.record
  const head = record?.head
  const epoch = record?.clock.epochOf(record.head.time)
  return {
    variant: record?.variant, chainId: last?.chainId,
    head: head === undefined ? undefined : { number: head.number, hash: head.hash, time: head.time },
    headAge: head === undefined ? undefined : Math.round(now / 1_000 - head.time), fresh,
    decidedUntil: epoch === undefined ? undefined : epoch + (record!.variant !== 'whitelist' && record!.decided(epoch + EPOCH) ? 2 : 1) * EPOCH - SLOT,
    knownSince: record?.since,
    rpcCalls: endpoints.calls, rpcFailures: endpoints.failures, disagreements: endpoints.disagreements, endpoints: endpoints.figures,
    reorgs, behind, mismatches, answers: { ...answers }, waiting: waiting.length,
    failing: failing === undefined ? undefined : failing instanceof ScheduleError ? { code: failing.code, message: failing.message } : { code: 'failed', message: messageOf(failing) },
  }
}
