import type { Command } from 'commander'
import { Option } from 'commander'
import { DEFAULT_LISTEN } from '../actors/network/default-listen.js'
import { gaterPresets } from '../actors/network/connections/gater-rules.js'
import type { GaterPreset, GaterRules } from '../actors/network/connections/gater-rules.js'
import { DEFAULT_CHAIN_ID } from '../protocol/index.js'
import type { ScorePresetName } from '../protocol/index.js'
import { addL1Options, l1OptionsOf } from './l1-options.js'
import type { L1CommandOptions } from './l1-options.js'
import { addL2Options } from './l2-options.js'
import type { L2CommandOptions } from './l2-options.js'
import { addSinkOptions } from './sink-options.js'
import type { SinkCommandOptions } from './sink-options.js'
import { UsageError, bigintOption, collect, collectOf, wholeNumberOption } from './options.js'

/** A rule that can be switched off by its name. */
export type GaterSwitch = { [K in keyof GaterRules]: GaterRules[K] extends boolean ? K : never }[keyof GaterRules]

const gaterSwitches = Object.entries(gaterPresets.open).filter(([, value]) => typeof value === 'boolean').map(([name]) => name)

/** As commander gives them. */
export interface RunOptions extends L1CommandOptions, L2CommandOptions, SinkCommandOptions {
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
  /** False with `--no-discovery`. */
  readonly discovery: boolean
  readonly udpPort?: number
  readonly bootnode?: readonly string[]
  readonly externalIp?: string
  readonly scoring: ScorePresetName
  readonly gater: GaterPreset
  readonly gaterOff?: readonly GaterSwitch[]
  readonly reputation: 'local' | 'reth'
  readonly allowPeer?: readonly string[]
  readonly block?: readonly string[]
  readonly exemptSubnet?: readonly string[]
  readonly protect?: readonly string[]
  /** False with `--no-ipc`. */
  readonly ipc: boolean
  readonly 'ipc.path'?: string
  readonly 'http.port'?: number
  readonly 'http.host'?: string
  readonly 'http.tokenFile'?: string
  readonly metrics?: boolean
  readonly stdio?: boolean
  readonly logLevel: string
}

const MORE_HELP = `
One of --schedule, --signer and --l1.rpc is needed.
Exit codes: 0 stopped as asked (SIGINT or SIGTERM; with --stdio also the end of
input and the command "stop"), 1 failed, 2 wrong options. A second signal ends
the process at once. SIGHUP has the schedule's file read again.`

/** `run`: one node, until a signal, or with `--stdio` until its input ends. */
export function addRun(program: Command, untilSignal: () => AbortSignal, onHangup: (then: () => void) => void): void {
  addSinkOptions(addL2Options(addL1Options(program.command('run').description('Runs one node.'))))
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
    .option('--no-discovery', 'do not look for peers by discv5 over UDP')
    .option('--udp-port <number>', 'UDP port of discovery (default: the port after that of --listen)', wholeNumberOption(0, 65_535))
    .option('--bootnode <enr>', 'where discovery begins: an ENR, or a multiaddr ending in /p2p/…, repeatable', collect)
    .option('--external-ip <address>', 'the IP address under which others reach this node (default: as they tell)')
    .addOption(new Option('--scoring <preset>', 'gossipsub scores by these weights').choices(['spec', 'kona']).default('spec'))
    .addOption(new Option('--reputation <key>', 'what a peer is known by: its peer id, or its secp256k1 key where it has one')
      .choices(['local', 'reth']).default('local'))
    .addOption(new Option('--gater <preset>', 'rules for connections: all, or none').choices(['recommended', 'open']).default('recommended'))
    .option('--gater-off <rule>', `one rule less, repeatable: ${gaterSwitches.join(', ')}`, collectOf(gaterSwitches))
    .option('--allow-peer <peer id>', 'only these peers may connect, repeatable', collect)
    .option('--block <rule>', 'refuse a peer id, an IP address or a subnet such as 10.0.0.0/8, repeatable', collect)
    .option('--exempt-subnet <subnet>', 'no limit by address holds for this IP address or subnet, repeatable: for proxies and test networks', collect)
    .option('--protect <peer id>', 'never let this peer go for its score, repeatable', collect)
    .option('--domain <hex>', 'signing domain, 64 hex digits')
    .option('--slasher <address>', 'reject commitments that name another slasher')
    .option('--confirmed-tip <number>', 'the block from which the chain is built (recommended: without it, it begins with the lowest block that most peers can serve)', bigintOption)
    .option('--ipc.path <path>', 'the socket to ask this node through (default: node.sock in the data directory)')
    .option('--no-ipc', 'no socket')
    .option('--http.port <number>', 'JSON-RPC, events and health over HTTP (default: off; 9300 with --metrics)', wholeNumberOption(0, 65_535))
    .option('--http.host <address>', 'where HTTP listens (default: 127.0.0.1); elsewhere than on loopback everything needs the token')
    .option('--http.token-file <file>', 'the token that what steers the node needs over HTTP, made where it is missing')
    .option('--metrics', 'Prometheus metrics at /metrics')
    .option('--stdio', 'speak JSON lines: commands on standard input, events on standard output (docs/stdio.md)')
    .addOption(
      new Option('--log-level <level>', 'what goes to standard error')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addHelpText('after', MORE_HELP)
    .action(async (options: RunOptions) => {
      checkSchedule(options)
      checkLists(options)
      checkDiscovery(options)
      checkDoors(options)
      const signal = untilSignal()
      // Loaded only now: help and wrong options do not need it.
      const { runNode } = await import('./run-node.js')
      await runNode(options, signal, onHangup)
    })
}

function checkSchedule(options: RunOptions): void {
  const { schedule, signer } = options
  const given = [schedule, signer, l1OptionsOf(options)].filter(each => each !== undefined).length
  if (given > 1) throw new UsageError('give one of --schedule FILE, --signer ADDRESS and --l1.rpc URL, not several')
  if (given === 0)
    throw new UsageError('who may sign is missing: give --schedule FILE, --signer ADDRESS (repeatable), or --l1.rpc URL with --l1.inbox ADDRESS')
}

/** A list without the rule that enforces it would only look like protection. */
function checkLists({ allowPeer, block, gater, gaterOff = [] }: RunOptions): void {
  if (allowPeer === undefined && block === undefined) return
  if (gater === 'open' || gaterOff.includes('lists'))
    throw new UsageError('--block and --allow-peer need the rule "lists", which --gater open and --gater-off lists switch off')
}

function checkDiscovery({ bootnode, discovery, externalIp, udpPort }: RunOptions): void {
  if (!discovery && (bootnode ?? externalIp ?? udpPort) !== undefined)
    throw new UsageError('--bootnode, --udp-port and --external-ip are for discovery, which --no-discovery turns off')
}

function checkDoors({ ipc, 'ipc.path': path, 'http.port': port, 'http.host': host, 'http.tokenFile': tokenFile, metrics }: RunOptions): void {
  if (!ipc && path !== undefined) throw new UsageError('--ipc.path and --no-ipc exclude each other')
  if (port === undefined && metrics !== true && (host ?? tokenFile) !== undefined)
    throw new UsageError('--http.host and --http.token-file are for HTTP, which --http.port or --metrics turns on')
}
