import type { Command } from 'commander'
import { Option } from 'commander'
import { systemClock } from '../actors/kernel/index.js'
import type { Logger, Termination } from '../actors/kernel/index.js'
import { DEFAULT_LISTEN, P2pService, scheduleFromFile, scheduleFromSigners } from '../actors/service/index.js'
import type { ScheduleResolver } from '../actors/service/index.js'
import { DEFAULT_CHAIN_ID } from '../protocol/index.js'
import { logTo } from './log.js'
import { FAILED, UsageError, bigintOption, collect } from './options.js'
import { serveStdio } from './stdio.js'

interface RunOptions {
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
  program.command('run')
    .description('Runs one node.')
    .option('--listen <multiaddr>', `address to listen on, repeatable (default: ${DEFAULT_LISTEN})`, collect)
    .addOption(new Option('--chain-id <number>', 'chain id').argParser(bigintOption).default(DEFAULT_CHAIN_ID, DEFAULT_CHAIN_ID.toString()))
    .option('--peer <multiaddr>', 'peer to stay connected to, ending in /p2p/…, repeatable', collect)
    .option('--data-dir <folder>', 'where everything is kept; left out: in memory')
    .option('--key-file <file>', 'network identity, created where missing (default: identity.key in the data directory)')
    .option('--schedule <file>', 'who signs when: JSON, [{"from": "1800000000", "signer": "0x…"}, …], read again when it changes')
    .option('--signer <address>', 'an address that may sign in every window, repeatable', collect)
    .option('--domain <hex>', 'signing domain, 64 hex digits')
    .option('--slasher <address>', 'reject commitments that name another slasher')
    .option('--confirmed-tip <number>', 'the block from which the chain is built', bigintOption)
    .option('--stdio', 'speak JSON lines: commands on standard input, events on standard output (docs/stdio.md)')
    .addOption(new Option('--log-level <level>', 'what goes to standard error').choices(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'))
    .addHelpText('after', MORE_HELP)
    .action(async (options: RunOptions) => run(options, untilSignal()))
}

async function run(options: RunOptions, signal: AbortSignal): Promise<void> {
  const log = logTo(process.stderr, options.logLevel)
  const schedule = await scheduleOf(options)
  const service = await P2pService.start({
    chainId: options.chainId,
    schedule,
    staticPeers: options.peer ?? [],
    log,
    ...options.listen === undefined ? {} : { listen: options.listen },
    ...options.dataDir === undefined ? {} : { dataDir: options.dataDir },
    ...options.keyFile === undefined ? {} : { keyFile: options.keyFile },
    ...options.domain === undefined ? {} : { domain: options.domain },
    ...options.slasher === undefined ? {} : { slasherAddress: options.slasher },
    ...options.confirmedTip === undefined ? {} : { confirmedTip: { blockNumber: options.confirmedTip } },
  })
  void service.ended.then(ended => { reportFailure(ended, log) })
  try {
    log.info({ peerId: service.peerId, addresses: await service.listenAddresses() }, 'listening')
    if (options.stdio === true) await serveStdio(service, { input: process.stdin, output: process.stdout, log, signal, now: () => systemClock.now() })
    else await untilStopped(service, signal, log)
  } finally {
    await service.stop()
    log.info({}, 'stopped')
  }
}

/** A node that its supervisors could not keep running ends the process, so that whoever watches over it sees it. */
function reportFailure(ended: Termination, log: Logger): void {
  if (ended.reason !== 'escalated') return
  log.error({ error: ended.error }, 'the node could not be kept running')
  process.exitCode = FAILED
}

async function scheduleOf({ schedule, signer = [] }: RunOptions): Promise<ScheduleResolver> {
  if (schedule !== undefined && signer.length > 0) throw new UsageError('give either --schedule FILE or --signer ADDRESS, not both')
  if (schedule !== undefined) return scheduleFromFile(schedule)
  if (signer.length > 0) return scheduleFromSigners(signer)
  throw new UsageError('who may sign is missing: give --schedule FILE, or --signer ADDRESS (repeatable)')
}

async function untilStopped(service: P2pService, signal: AbortSignal, log: Logger): Promise<void> {
  const following = service.runWithHandler({
    commitment: ({ blockNumber, from }) => log.info({ blockNumber: String(blockNumber), from }, 'commitment'),
    rejected: ({ topic, from, reason, verdict }) => log.debug({ topic, from, reason }, verdict),
    head: ({ head }) => log.info({ blockNumber: String(head.blockNumber) }, 'head'),
    handover: ({ blockNumber }) => log.info({ blockNumber: String(blockNumber) }, 'hand-over'),
    peerConnected: ({ peer, address }) => log.info({ peer, address }, 'peer connected'),
    peerDisconnected: ({ peer }) => log.info({ peer }, 'peer disconnected'),
    actorFailed: ({ actor, error }) => log.error({ actor, error }, 'a part failed and is restarted'),
  }, { signal })
  await Promise.race([following, service.ended])
}
