import { systemClock } from '../actors/kernel/index.js'
import type { Logger, Termination } from '../actors/kernel/index.js'
import { checkBootnode } from '../actors/discovery/index.js'
import { gaterPresets } from '../actors/network/connections/gater-rules.js'
import type { GaterRules } from '../actors/network/connections/gater-rules.js'
import { P2pService, scheduleFromFile, scheduleFromL1, scheduleFromSigners } from '../actors/service/index.js'
import type { FileSchedule, ScheduleResolver } from '../actors/service/index.js'
import { watch } from '../operate/watch.js'
import { openDoors } from '../operate/doors.js'
import type { DoorOptions, Doors } from '../operate/doors.js'
import { DEFAULT_HTTP_HOST } from '../operate/http-defaults.js'
import { afterOurWindow } from './after-window.js'
import { logTo } from './log.js'
import { l1OptionsOf } from './l1-options.js'
import { confirmationsOf } from './l2-options.js'
import { FAILED } from './failure.js'
import type { Settings } from './options/settings.js'
import { placeOf, tryFirst } from './place.js'
import type { Place } from './place.js'
import { CatchUpProgress } from './progress.js'
import { sinkOf } from './sink-options.js'
import { tellStart } from './start.js'
import { serveStdio } from './stdio.js'

/**
 * If something keeps the process alive after the node has stopped, such as a reader that does not read, it is ended after this
 * many ms (H32).
 */
const LINGER = 2_000

/** One node from its options, until the signal, or with `--stdio` until its session ends. */
export async function runNode(settings: Settings, stopped: AbortSignal, onHangup: (then: () => void) => void): Promise<void> {
  const progress = new CatchUpProgress(process.stderr, barOn(process.stderr, settings), () => systemClock.monotonic())
  const log = logTo(progress.above, settings.get('log.level'))
  const place = placeOf(settings)
  const sink = await sinkOf(settings)
  await tryFirst(settings, place)
  const { schedule, service } = await startedFrom(settings, place, log).catch((error: unknown) => { throw settings.blame(error) })
  void service.ended.then(ended => { reportFailure(ended, log) })
  const signal = afterOurWindow(stopped, service.outlook, log, systemClock)
  onHangup(() => { void readAgain(schedule, log) })
  let doors: Doors | undefined
  signal.addEventListener('abort', () => { log.info({ reason: String(signal.reason) }, 'stopping') }, { once: true })
  let endWatch: (() => Promise<void>) | undefined
  try {
    await tellStart(settings, place, service, log, progress.above)
    if (!settings.isGiven('chain.confirmed-tip') && !settings.get('l2.confirm')) {
      log.warn({}, 'no --confirmed-tip: a new chain begins with the lowest block that most peers can serve, which nothing confirms; name the block that L1 has confirmed')
    }
    if (sink !== undefined) {
      await service.sink(sink)
      log.info({ sink: sink.name }, 'the ordered stream goes there')
    }
    // before the watch and the doors: the first who subscribes is told of the start
    const ended = settings.get('stdio')
      ? serveStdio(service, { input: process.stdin, output: process.stdout, log, signal, now: () => systemClock.now() })
      : untilStopped(service, signal, log, progress)
    ended.catch(() => undefined)
    endWatch = watch(service, log, systemClock)
    doors = await openDoors(doorOptionsOf(settings, place), service, log, () => systemClock.now()).catch((error: unknown) => { throw settings.blame(error) })
    await ended
  } finally {
    progress.close()
    await endWatch?.()
    await doors?.close()
    await service.stop()
    log.info({}, 'stopped')
    setTimeout(() => process.exit(), LINGER).unref()
  }
}

async function startedFrom(settings: Settings, { dataDir, listen, discoveryPort }: Place, log: Logger): Promise<{ readonly schedule: ScheduleResolver; readonly service: P2pService }> {
  for (const bootnode of settings.get('discovery.bootnode')) checkBootnode(bootnode, settings.get('chain.id'))
  const confirmations = confirmationsOf(settings)
  const schedule = await scheduleOf(settings)
  const service = await P2pService.start({
    chainId: settings.get('chain.id'), schedule, listen, staticPeers: settings.get('p2p.static'), log,
    discovery: settings.get('discovery.enabled') && {
      bootnodes: settings.get('discovery.bootnode'),
      ...known('port', discoveryPort),
      ...known('external', mapped(settings.get('discovery.external-ip'), ip => ({ ip }))),
    },
    reputation: { backend: settings.get('peers.reputation') },
    allowList: settings.get('peers.allow'), blockList: settings.get('peers.block'), protectedPeers: settings.get('peers.protect'),
    network: { scoring: settings.get('gossip.scoring'), gater: gaterOf(settings), exemptSubnets: settings.get('peers.exempt-subnet') },
    ...known('dataDir', dataDir),
    ...known('keyFile', settings.get('p2p.key-file')),
    ...known('domain', settings.get('chain.domain')),
    ...known('slasherAddress', settings.get('chain.slasher')),
    ...known('confirmedTip', mapped(settings.get('chain.confirmed-tip'), blockNumber => ({ blockNumber }))),
    ...known('confirmations', confirmations),
    ...known('signing', mapped(settings.get('signing.key-file'), keyFile => ({ keyFile }))),
  })
  return { schedule, service }
}

/** A member that is there only where it has a value. */
const known = <K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } => (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: T }
const mapped = <T, U>(value: T | undefined, to: (value: T) => U): U | undefined => value === undefined ? undefined : to(value)

/** A node that its supervisors could not keep running ends the process with an error, so that a service manager sees it. */
function reportFailure(ended: Termination, log: Logger): void {
  if (ended.reason !== 'escalated') return
  log.error({ error: ended.error }, 'the node could not be kept running')
  process.exitCode = FAILED
}

function doorOptionsOf(settings: Settings, { dataDir, httpPort: port }: Place): DoorOptions {
  return {
    dataDir, ...settings.get('ipc.enabled') ? known('ipc', settings.get('ipc.path')) : { ipc: false as const },
    http: port === undefined ? undefined : { host: settings.get('http.host') ?? DEFAULT_HTTP_HOST, port, tokenFile: settings.get('http.token-file'), metrics: settings.get('http.metrics') },
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

async function scheduleOf(settings: Settings): Promise<ScheduleResolver> {
  const l1 = l1OptionsOf(settings)
  if (l1 !== undefined) return scheduleFromL1(l1)
  const file = settings.get('schedule.file')
  return file === undefined ? scheduleFromSigners(settings.get('schedule.signer')) : scheduleFromFile(file)
}

function gaterOf(settings: Settings): GaterRules {
  return { ...gaterPresets[settings.get('peers.gater')], ...Object.fromEntries(settings.get('peers.gater-off').map(rule => [rule, false])) }
}

/** A bar needs a terminal on which the log is shown, too. */
const barOn = (output: NodeJS.WriteStream, settings: Settings): NodeJS.WriteStream | undefined =>
  output.isTTY && !settings.get('stdio') && settings.get('log.level') !== 'silent' ? output : undefined

async function untilStopped(service: P2pService, signal: AbortSignal, log: Logger, progress: CatchUpProgress): Promise<void> {
  const following = service.runWithHandler({
    commitment: ({ blockNumber, from }) => { if (!progress.running) log.info({ blockNumber: String(blockNumber), from }, 'commitment') },
    rejected: ({ topic, from, reason, verdict }) => log.debug({ topic, from, reason }, verdict),
    head: ({ head }) => { if (!progress.running) log.info({ blockNumber: String(head.blockNumber) }, 'head') },
    syncStarted: ({ from }) => { progress.started(from, log) },
    syncProgress: event => { progress.moved(event, log) },
    syncDone: event => { progress.done(event, log) },
    syncFailed: event => { progress.failed(event, log) },
    handover: ({ blockNumber }) => log.info({ blockNumber: String(blockNumber) }, 'hand-over'),
    peerConnected: ({ peer, address }) => log.info({ peer, address }, 'peer connected'),
    peerDisconnected: ({ peer }) => log.info({ peer }, 'peer disconnected'),
  }, { signal })
  await Promise.race([following, service.ended])
}
