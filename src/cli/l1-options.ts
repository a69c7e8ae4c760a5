import { Option } from 'commander'
import type { Command } from 'commander'
import type { Confirmations, FallbackSigner } from '../actors/schedule/config.js'
import type { L1Options } from '../actors/schedule/index.js'
import { UsageError, collect, wholeNumberOption } from './options.js'

/** As commander gives them. */
export interface L1CommandOptions {
  readonly 'l1.rpc'?: readonly string[]
  readonly 'l1.inbox'?: string
  readonly 'l1.quorum'?: number
  readonly 'l1.fallbackSigner'?: FallbackSigner
  readonly 'l1.handoverSlots'?: number
  readonly 'l1.confirmations'?: Confirmations
  readonly 'l1.genesis'?: number
}

/** The options of those commands that follow L1. */
export function addL1Options(command: Command): Command {
  return command
    .option('--l1.rpc <url>', 'who may sign is read from L1: a JSON-RPC endpoint, http(s) to ask or ws(s) to be told of new blocks sooner, repeatable', collect)
    .option('--l1.inbox <address>', 'Taiko\'s inbox on L1')
    .option('--l1.quorum <number>', 'so many endpoints have to agree (default: 1, of three or more a majority)', wholeNumberOption(1, 100))
    .addOption(new Option('--l1.fallback-signer <which>', 'which address of a whitelisted operator signs (default: both)').choices(['proposer', 'sequencer', 'both']))
    .option('--l1.handover-slots <number>', 'more than 0: the next epoch\'s operator may sign in the last window of an epoch too (default: 0)', wholeNumberOption(0, 32))
    .addOption(new Option('--l1.confirmations <tag>', 'which blocks of L1 count (default: latest)').choices(['latest', 'safe', 'finalized']))
    .option('--l1.genesis <seconds>', 'when slot 0 of L1 began (default: by its chain id, else 0)', wholeNumberOption(0, Number.MAX_SAFE_INTEGER))
}

/** What `scheduleFromL1` takes; `undefined`: L1 is not to be followed. @throws UsageError where only a part is given */
export function l1OptionsOf(options: L1CommandOptions): L1Options | undefined {
  const { 'l1.rpc': rpc, 'l1.inbox': inbox, ...rest } = options
  const others = Object.entries(rest).find(([name, value]) => name.startsWith('l1.') && value !== undefined)
  if (rpc === undefined) {
    if (inbox !== undefined || others !== undefined) throw new UsageError('--l1.rpc URL is missing: where L1 is to be asked')
    return undefined
  }
  if (inbox === undefined) throw new UsageError('--l1.inbox ADDRESS is missing: Taiko\'s inbox on L1')
  const { 'l1.quorum': quorum, 'l1.fallbackSigner': fallbackSigner, 'l1.handoverSlots': handoverSlots, 'l1.confirmations': confirmations, 'l1.genesis': genesis } = options
  return {
    rpc, inbox,
    ...quorum === undefined ? {} : { quorum }, ...fallbackSigner === undefined ? {} : { fallbackSigner }, ...handoverSlots === undefined ? {} : { handoverSlots },
    ...confirmations === undefined ? {} : { confirmations }, ...genesis === undefined ? {} : { genesis },
  }
}
