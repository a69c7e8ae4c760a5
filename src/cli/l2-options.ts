import type { Command } from 'commander'
import { confirmationsFromL2 } from '../actors/schedule/index.js'
import type { L2Confirmations } from '../actors/schedule/index.js'
import { UsageError, collect, wholeNumberOption } from './options.js'

/** As commander gives them. */
export interface L2CommandOptions {
  readonly 'l2.rpc'?: readonly string[]
  readonly 'l2.confirm'?: boolean
  readonly 'l2.quorum'?: number
}

/** The options of a command that reads the confirmed tip from L2. */
export function addL2Options(command: Command): Command {
  return command
    .option('--l2.rpc <url>', 'an L2 execution client\'s JSON-RPC endpoint, http(s), repeatable', collect)
    .option('--l2.confirm', 'the block that L1 has is read from --l2.rpc, and confirmed')
    .option('--l2.quorum <number>', 'so many of them have to say so (default: 1, of three or more a majority)', wholeNumberOption(1, 100))
}

/** `undefined`: the confirmed tip is somebody else's to tell. @throws UsageError, ScheduleError `bad_config` */
export function confirmationsOf({ 'l2.rpc': rpc, 'l2.confirm': confirm, 'l2.quorum': quorum }: L2CommandOptions): L2Confirmations | undefined {
  if (confirm !== true) {
    if (rpc !== undefined || quorum !== undefined) throw new UsageError('--l2.rpc and --l2.quorum are for --l2.confirm, which is missing')
    return undefined
  }
  if (rpc === undefined) throw new UsageError('--l2.rpc URL is missing: which L2 execution client says what L1 has')
  return confirmationsFromL2({ rpc, ...quorum === undefined ? {} : { quorum } })
}
