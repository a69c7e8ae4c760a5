import { systemClock } from '../actors/kernel/index.js'
import type { Logger, Termination } from '../actors/kernel/index.js'
import { gaterPresets } from '../actors/network/connections/gater-rules.js'
import type { GaterRules } from '../actors/network/connections/gater-rules.js'
import { P2pService, scheduleFromFile, scheduleFromL1, scheduleFromSigners } from '../actors/service/index.js'
import type { FileSchedule, ScheduleResolver } from '../actors/service/index.js'
import { DEFAULT_HTTP_HOST, DEFAULT_HTTP_PORT, openDoors } from '../operate/doors.js'
import type { DoorOptions, Doors } from '../operate/doors.js'
import { afterOurWindow } from './after-window.js'
import { logTo } from './log.js'
import { l1OptionsOf } from './l1-options.js'
import { confirmationsOf } from './l2-options.js'
import { FAILED } from './options.js'
import { CatchUpProgress } from './progress.js'
import type { RunOptions } from './run.js'
import { sinkOf } from './sink-options.js'
import { serveStdio } from './stdio.js'

/**
 * If something keeps the process alive after the node has stopped, such as a reader that does not read, it is ended after this
 * many ms (H32).
 */
const LINGER = 2_000

/** One node from its options, until the signal, or with `--stdio` until its session ends. */
export async function runNode(options: RunOptions, stopped: AbortSignal, onHangup: (then: () => void) => void): Promise<void> {
  const progress = new CatchUpProgress(process.stderr, barOn(process.stderr, options), () => systemClock.monotonic())
  const log = logTo(progress.above, options.logLevel)
  const sink = await sinkOf(options)
  const [schedule, confirmations] = [await scheduleOf(options), confirmationsOf(options)]
  const service = await P2pService.start({
    chainId: options.chainId,
    schedule,
    staticPeers: options.peer ?? [],
    log,
    discovery: options.discovery && {
      bootnodes: options.bootnode ?? [],
      ...options.udpPort === undefined ? {} : { port: options.udpPort },
      ...options.externalIp === undefined ? {} : { external: { ip: options.externalIp } },
    },
    reputation: { backend: options.reputation },
    allowList: options.allowPeer ?? [],
    blockList: options.block ?? [],
    protectedPeers: options.protect ?? [],
    network: { scoring: options.scoring, gater: gaterOf(options), exemptSubnets: options.exemptSubnet ?? [] },
    ...options.listen === undefined ? {} : { listen: options.listen },
    ...options.dataDir === undefined ? {} : { dataDir: options.dataDir },
    ...options.keyFile === undefined ? {} : { keyFile: options.keyFile },
    ...options.domain === undefined ? {} : { domain: options.domain },
    ...options.slasher === undefined ? {} : { slasherAddress: options.slasher },
    ...options.confirmedTip === undefined ? {} : { confirmedTip: { blockNumber: options.confirmedTip } },
    ...confirmations === undefined ? {} : { confirmations },
  })
  void service.ended.then(ended => { reportFailure(ended, log) })
  const signal = afterOurWindow(stopped, service.outlook, log, systemClock)
  onHangup(() => { void readAgain(schedule, log) })
  let doors: Doors | undefined
  signal.addEventListener('abort', () => { log.info({ reason: String(signal.reason) }, 'stopping') }, { once: true })
  try {
    log.info({ peerId: service.peerId, addresses: await service.listenAddresses() }, 'listening')
    if (options.confirmedTip === undefined && confirmations === undefined) {
      log.warn({}, 'no --confirmed-tip: a new chain begins with the lowest block that most peers can serve, which nothing confirms; name the block that L1 has confirmed')
    }
    if (sink !== undefined) {
      await service.sink(sink)
      log.info({ sink: sink.name }, 'the ordered stream goes there')
    }
    // before the doors: the first who subscribes is told of the start
    const ended = options.stdio === true
      ? serveStdio(service, { input: process.stdin, output: process.stdout, log, signal, now: () => systemClock.now() })
      : untilStopped(service, signal, log, progress)
    ended.catch(() => undefined)
    doors = await openDoors(doorOptionsOf(options), service, log, () => systemClock.now())
    await ended
  } finally {
    progress.close()
    await doors?.close()
    await service.stop()
    log.info({}, 'stopped')
    setTimeout(() => process.exit(), LINGER).unref()
  }
}

/** A node that its supervisors could not keep running ends the process with an error, so that a service manager sees it. */
function reportFailure(ended: Termination, log: Logger): void {
  if (ended.reason !== 'escalated') return
  log.error({ error: ended.error }, 'the node could not be kept running')
  process.exitCode = FAILED
}

function doorOptionsOf(options: RunOptions): DoorOptions {
  const { dataDir, ipc, 'ipc.path': path, 'http.port': port, 'http.host': host = DEFAULT_HTTP_HOST, 'http.tokenFile': tokenFile, metrics = false } = options
  return {
    dataDir, ...ipc ? path !== undefined && { ipc: path } : { ipc: false as const },
    http: port === undefined && !metrics ? undefined : { host, port: port ?? DEFAULT_HTTP_PORT, tokenFile, metrics },
  }
}

/** What SIGHUP asks for. What cannot be read changes nothing. */
async function readAgain(schedule: ScheduleResolver, log: Logger): Promise<void> {
  if (!('reload' in schedule)) {
    log.info({}, 'there is no schedule file to be read again')
    return
  }
  try {
    await (schedule as FileSchedule).reload()
    log.info({}, 'the schedule was read again')
  } catch (error) {
    log.error({ error }, 'the schedule could not be read again: what was read before holds on')
  }
}

async function scheduleOf(options: RunOptions): Promise<ScheduleResolver> {
  const l1 = l1OptionsOf(options)
  if (l1 !== undefined) return scheduleFromL1(l1)
  const { schedule, signer = [] } = options
  return schedule === undefined ? scheduleFromSigners(signer) : scheduleFromFile(schedule)
}

function gaterOf({ gater, gaterOff = [] }: RunOptions): GaterRules {
  return { ...gaterPresets[gater], ...Object.fromEntries(gaterOff.map(rule => [rule, false])) }
}

/** A bar needs a terminal on which the log is shown, too. */
const barOn = (output: NodeJS.WriteStream, { stdio, logLevel }: RunOptions): NodeJS.WriteStream | undefined =>
  output.isTTY && stdio !== true && logLevel !== 'silent' ? output : undefined

async function untilStopped(service: P2pService, signal: AbortSignal, log: Logger, progress: CatchUpProgress): Promise<void> {
  const following = service.runWithHandler({
    commitment: ({ blockNumber, from }) => { if (!progress.running) log.info({ blockNumber: String(blockNumber), from }, 'commitment') },
    rejected: ({ topic, from, reason, verdict }) => log.debug({ topic, from, reason }, verdict),
    scheduleMismatch: ({ epoch, expected, named }) => log.error({ epoch, expected, named }, 'the whitelist names another operator than was reckoned'),
    head: ({ head }) => { if (!progress.running) log.info({ blockNumber: String(head.blockNumber) }, 'head') },
    syncStarted: ({ from }) => { progress.started(from, log) },
    syncProgress: event => { progress.moved(event, log) },
    syncDone: event => { progress.done(event, log) },
    syncFailed: event => { progress.failed(event, log) },
    handover: ({ blockNumber }) => log.info({ blockNumber: String(blockNumber) }, 'hand-over'),
    peerConnected: ({ peer, address }) => log.info({ peer, address }, 'peer connected'),
    peerDisconnected: ({ peer }) => log.info({ peer }, 'peer disconnected'),
    actorFailed: ({ actor, error }) => log.error({ actor, error }, 'a part failed and is restarted'),
  }, { signal })
  await Promise.race([following, service.ended])
}
