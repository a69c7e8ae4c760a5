import type { ScheduleResolver } from '../chain/ports.js'
import { scheduleConfig } from './config.js'
import type { L1Options } from './config.js'
import type { OpenRpc } from './rpc.js'
import { ScheduleView } from './view.js'

/** A schedule that follows L1 while the node runs that was started with it. */
export interface L1Schedule extends ScheduleResolver {
  /** What the actor that follows L1 shows; for the node's own tree. */
  readonly view: ScheduleView
  readonly open: OpenRpc | undefined
}

/**
 * Who may sign, by Taiko's contracts on L1 (docs/schedule.md). The node that is started with it follows L1 in a part of its own and keeps in its
 * data directory what is finalized. Until L1 was read, and wherever it does not tell, the answer is `unknown`: nobody is held to be wrong.
 * @throws ScheduleError `bad_config`
 */
export function scheduleFromL1(options: L1Options & { readonly open?: OpenRpc | undefined }): L1Schedule {
  const { open, ...rest } = options
  const view = new ScheduleView(scheduleConfig(rest))
  const resolve: ScheduleResolver = (window, { signal }) => view.resolve(window, signal)
  const more: Pick<L1Schedule, 'upcoming' | 'subscribe' | 'view' | 'open'> = {
    upcoming: now => view.upcoming(now),
    subscribe: (changed, { signal }) => { view.subscribe(changed, signal) },
    view, open,
  }
  return Object.assign(resolve, more)
}

/** Whether a schedule has a part of its own to run. */
export const isFromL1 = (schedule: ScheduleResolver): schedule is L1Schedule => (schedule as Partial<L1Schedule>).view instanceof ScheduleView
