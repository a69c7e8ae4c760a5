import type { Command } from 'commander'
import { Option } from 'commander'
import { DEFAULT_LISTEN } from '../actors/network/default-listen.js'
import { DEFAULT_CHAIN_ID } from '../protocol/index.js'
import { UsageError, bigintOption, collect } from './options.js'

/** As commander gives them. */
export interface RunOptions {
  readonly chainId: bigint
  readonly listen?: readonly string[]
  readonly peer?: readonly string[]
  readonly dataDir?: string
  readonly keyFile?: string
  readonly schedule?: string
  readonly signer?: readonly string[]
  readonly domain?: string
  readonly slasher?: string
  readonly confirmedTip?: bigint
  readonly stdio?: boolean
  readonly logLevel: string
}

const MORE_HELP = `
One of --schedule and --signer is needed.
Exit codes: 0 stopped as asked (SIGINT or SIGTERM; with --stdio also the end of
input and the command "stop"), 1 failed, 2 wrong options. A second signal ends
the process at once.`

/** `run`: one node, until a signal, or with `--stdio` until its input ends. */
export function addRun(program: Command, untilSignal: () => AbortSignal): void {
  program
    .command('run')
    .description('Runs one node.')
    .option('--listen <multiaddr>', `address to listen on, repeatable (default: ${DEFAULT_LISTEN})`, collect)
    .addOption(
      new Option('--chain-id <number>', 'chain id')
        .argParser(bigintOption)
        .default(DEFAULT_CHAIN_ID, DEFAULT_CHAIN_ID.toString()),
    )
    .option('--peer <multiaddr>', 'peer to stay connected to, ending in /p2p/…, repeatable', collect)
    .option('--data-dir <folder>', 'where everything is kept; left out: in memory')
    .option('--key-file <file>', 'network identity, created where missing (default: identity.key in the data directory)')
    .option('--schedule <file>', 'who signs when: JSON, [{"from": "1800000000", "signer": "0x…"}, …], read again when it changes')
    .option('--signer <address>', 'an address that may sign in every window, repeatable', collect)
    .option('--domain <hex>', 'signing domain, 64 hex digits')
    .option('--slasher <address>', 'reject commitments that name another slasher')
    .option('--confirmed-tip <number>', 'the block from which the chain is built', bigintOption)
    .option('--stdio', 'speak JSON lines: commands on standard input, events on standard output (docs/stdio.md)')
    .addOption(
      new Option('--log-level <level>', 'what goes to standard error')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addHelpText('after', MORE_HELP)
    .action(async (options: RunOptions) => {
      checkSchedule(options)
      const signal = untilSignal()
      // Loaded now: help and wrong options need none of it.
      const { runNode } = await import('./run-node.js')
      await runNode(options, signal)
    })
}

function checkSchedule({ schedule, signer }: RunOptions): void {
  if (schedule !== undefined && signer !== undefined)
    throw new UsageError('give either --schedule FILE or --signer ADDRESS, not both')
  if (schedule === undefined && signer === undefined)
    throw new UsageError('who may sign is missing: give --schedule FILE, or --signer ADDRESS (repeatable)')
}
