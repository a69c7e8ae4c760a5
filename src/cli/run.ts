import { once } from 'node:events'
import type { Command } from 'commander'
import { Option } from 'commander'
import { pino } from 'pino'
import type { Logger } from 'pino'
import { systemClock } from '../actors/kernel/index.js'
import { P2pService, scheduleFromFile, scheduleFromSigners } from '../actors/service/index.js'
import type { ScheduleResolver } from '../actors/service/index.js'
import { UsageError, bigintOption, collect } from './options.js'
import { serveStdio } from './stdio.js'

interface RunOptions {
  readonly chainId: bigint
  readonly listen: readonly string[]
  readonly peer: readonly string[]
  readonly dataDir?: string
  readonly keyFile?: string
  readonly schedule?: string
  readonly signer: readonly string[]
  readonly domain?: string
  readonly slasher?: string
  readonly confirmedTip?: bigint
  readonly stdio: boolean
  readonly logLevel: string
}

/** `run`: one node, until a signal, or with `--stdio` until its input ends. */
export function addRun(program: Command, untilSignal: () => AbortSignal): void {
  program.command('run')
    .description('Runs one node.')
    .option('--listen <multiaddr>', 'address to listen on, repeatable (default: /ip4/0.0.0.0/tcp/9000)', collect, [])
    .option('--chain-id <number>', 'chain id', bigintOption, 167_000n)
    .option('--peer <multiaddr>', 'peer to stay connected to, ending in /p2p/…, repeatable', collect, [])
    .option('--data-dir <folder>', 'where everything is kept; left out: in memory')
    .option('--key-file <file>', 'network identity, created where missing (default: identity.key in the data directory)')
    .option('--schedule <file>', 'who signs when: JSON, [{"from": "1800000000", "signer": "0x…"}, …]')
    .option('--signer <address>', 'an address that may sign in every window, repeatable', collect, [])
    .option('--domain <hex>', 'signing domain, 64 hex digits')
    .option('--slasher <address>', 'reject commitments that name another slasher')
    .option('--confirmed-tip <number>', 'the block from which the chain is built', bigintOption)
    .option('--stdio', 'speak JSON lines: commands on standard input, events on standard output (docs/stdio.md)', false)
    .addOption(new Option('--log-level <level>', 'what goes to standard error').choices(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'))
    .action(async (options: RunOptions) => run(options, untilSignal()))
}

async function run(options: RunOptions, signal: AbortSignal): Promise<void> {
  const log = pino({ level: options.logLevel }, pino.destination({ dest: 2, sync: false }))
  const schedule = await scheduleOf(options)
  const service = await P2pService.start({
    chainId: options.chainId,
    schedule,
    staticPeers: options.peer,
    log,
    ...options.listen.length === 0 ? {} : { listen: options.listen },
    ...options.dataDir === undefined ? {} : { dataDir: options.dataDir },
    ...options.keyFile === undefined ? {} : { keyFile: options.keyFile },
    ...options.domain === undefined ? {} : { domain: options.domain },
    ...options.slasher === undefined ? {} : { slasherAddress: options.slasher },
    ...options.confirmedTip === undefined ? {} : { confirmedTip: { blockNumber: options.confirmedTip } },
  })
  try {
    log.info({ peerId: service.peerId, addresses: await service.listenAddresses() }, 'listening')
    if (options.stdio) await serveStdio(service, { input: process.stdin, output: process.stdout, log, signal, now: () => systemClock.now() })
    else await untilStopped(service, signal, log)
  } finally {
    await service.stop()
    log.info({}, 'stopped')
    log.flush()
  }
}

async function scheduleOf({ schedule, signer }: RunOptions): Promise<ScheduleResolver> {
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
  if (!signal.aborted) await Promise.race([once(signal, 'abort'), following])
}
