import type { Command } from 'commander'
import { FAILED, UsageError } from './failure.js'
import { L1_NAMES, l1OptionsOf } from './l1-options.js'
import { addOptions } from './options/flags.js'
import { argument, wholeNumber } from './options/kinds.js'

export interface ScheduleCommandOptions {
  readonly epoch?: number
  readonly json?: boolean
  readonly within: number
}

const MORE_HELP = `
Each line is a window: the L1 times (seconds) in which it is open, who may sign, and
as what. Without --epoch it is the epoch of L1's newest block; N counts from the
beginning of the beacon chain. Windows behind the last posted slot end in the next
epoch. With --json it is one object.
Exit codes: 0 told, 1 L1 could not be read, 2 wrong options.`

/** `schedule`: who may sign in the windows of an epoch, by L1. */
export function addSchedule(program: Command, untilSignal: () => AbortSignal): void {
  const command = program.command('schedule').description('Tells who may sign in the windows of an epoch, by Taiko\'s contracts on L1.')
  const read = addOptions(command, ['config', 'preset', ...L1_NAMES])
  command
    .option('--epoch <number>', 'which one (default: the present one)', argument(wholeNumber(0, 1_000_000_000)))
    .option('--within <seconds>', 'how long L1 may take', argument(wholeNumber(1, 3_600)), 60)
    .option('--json', 'JSON for machines')
    .addHelpText('after', MORE_HELP)
    .action(async (options: ScheduleCommandOptions) => {
      const l1 = l1OptionsOf(read())
      if (l1 === undefined) throw new UsageError('--l1.rpc URL is missing: where L1 is to be asked')
      const signal = untilSignal()
      const { tellSchedule } = await import('./tell-schedule.js')
      if (!await tellSchedule(l1, options, process.stdout, signal)) process.exitCode = FAILED
    })
}
