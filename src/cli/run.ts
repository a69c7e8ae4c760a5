import type { Command } from 'commander'
import { UsageError } from './failure.js'
import { l1OptionsOf } from './l1-options.js'
import { addOptions } from './options/flags.js'
import { printConfig } from './options/print.js'
import type { Settings } from './options/settings.js'
import { dataDirOf } from './place.js'

const MORE_HELP = `
Every option can be given as a flag, as a variable (PRECONF_L1_RPC for l1.rpc;
commas between the values of one that repeats), and in the file of --config
(YAML or JSON, "l1: { rpc: … }" or "l1.rpc: …"). A flag wins over a variable,
that over the file, that over the preset. All of them: docs/options.md.
Exit codes: 0 stopped as asked (SIGINT or SIGTERM; with --stdio also the end of
input and the command "stop"), 1 failed, 2 wrong options. A second signal ends
the process at once. SIGHUP has the schedule's file read again.`

/** `run`: one node, until a signal, or with `--stdio` until its input ends. */
export function addRun(program: Command, untilSignal: () => AbortSignal, onHangup: (then: () => void) => void): void {
  const command = program.command('run').description('Runs one node.').addHelpText('after', MORE_HELP)
  const read = addOptions(command)
  command.action(async () => {
    const settings = read()
    if (settings.get('print-config')) {
      process.stdout.write(printConfig(settings, dataDirOf(settings)))
      return
    }
    checkSchedule(settings)
    checkLists(settings)
    checkDiscovery(settings)
    checkDoors(settings)
    const signal = untilSignal()
    // Loaded only now: help and wrong options do not need it.
    const { runNode } = await import('./run-node.js')
    await runNode(settings, signal, onHangup)
  })
}

function checkSchedule(settings: Settings): void {
  l1OptionsOf(settings)
  const ways = (['schedule.file', 'schedule.signer', 'l1.rpc'] as const).filter(name => settings.isGiven(name))
  if (ways.length > 1) throw new UsageError(`give one of --schedule FILE, --signer ADDRESS and --l1.rpc URL, not several: ${settings.whoGave(...ways)}`)
  if (ways.length === 0)
    throw new UsageError('who may sign is missing: give --schedule FILE, --signer ADDRESS (repeatable), or --l1.rpc URL with --l1.inbox ADDRESS')
}

/** A list without the rule that enforces it would only look like protection. */
function checkLists(settings: Settings): void {
  if (!settings.isGiven('peers.allow') && !settings.isGiven('peers.block')) return
  if (settings.get('peers.gater') === 'open' || settings.get('peers.gater-off').includes('lists'))
    throw new UsageError(`--block and --allow-peer need the rule "lists", which --gater open and --gater-off lists switch off: ${settings.whoGave('peers.allow', 'peers.block', 'peers.gater', 'peers.gater-off')}`)
}

function checkDiscovery(settings: Settings): void {
  const needing = settings.whoGave('discovery.bootnode', 'discovery.external-ip', 'discovery.port')
  if (settings.get('discovery.enabled') || needing === '') return
  throw new UsageError(`--bootnode, --udp-port and --external-ip are for discovery, which --no-discovery turns off: ${needing}, ${settings.whoGave('discovery.enabled')}`)
}

function checkDoors(settings: Settings): void {
  if (!settings.get('ipc.enabled') && settings.isGiven('ipc.path')) throw new UsageError(`--ipc.path and --no-ipc exclude each other: ${settings.whoGave('ipc.path', 'ipc.enabled')}`)
  const needing = settings.whoGave('http.host', 'http.token-file')
  if (settings.get('http.port') === undefined && !settings.get('http.metrics') && needing !== '')
    throw new UsageError(`--http.host and --http.token-file are for HTTP, which --http.port or --metrics turns on: ${needing}`)
}
