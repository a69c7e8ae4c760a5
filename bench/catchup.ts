import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { catchUp, cores } from './catchup/catching-up.js'
import type { CaughtUp } from './catchup/catching-up.js'
import { fetchAndDrop } from './catchup/fetcher.js'
import { TIP, material } from './catchup/material.js'
import { Server } from './catchup/servers.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { figure, logVersions, table } from './harness.js'

export const about = 'a catch-up over TCP from nodes of ours, validated, linked and durably stored, beside the same pages fetched and dropped'

const BLOCKS = 100_000
/** Blocks a second from one peer (issue: 10,000 with plain recovery, 40,000 with known signers in batches). */
const GOAL_PER_SECOND = 10_000
/** Of the loop itself, without the time in which the machine had no core for it: the serving node is on the same cores. */
const GOAL_DELAY_MS = 20
/** Small: what is measured is commitments. They have to be there, or nodes would ask each other for them all the time. */
const TXLIST_BYTES = 128

/** `--set peers=1,2,4`, `--set blocks=…`, `--set threads=…`, `--set profile=FILE` (keeps the profile of the first run). */
export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', '@chainsafe/libp2p-noise', '@chainsafe/libp2p-yamux', 'classic-level', 'secp256k1'])
  const { set, log } = options
  const blocks = Math.max(1_000, Number(set['blocks'] ?? BLOCKS * options.scale))
  const crowds = (set['peers'] ?? '1,2,4').split(',').map(Number)
  const threads = Number(set['threads'] ?? Math.min(4, Math.max(2, cores - 1)))
  const made = await material(blocks, TXLIST_BYTES, log)
  const folder = await mkdtemp(join(tmpdir(), 'bench-catchup-'))
  const servers: Server[] = []
  const serversFor = async (count: number): Promise<string[]> => {
    while (servers.length < count) servers.push(await Server.start(made, join(folder, `server-${servers.length}`)))
    return servers.slice(0, count).map(({ address }) => address)
  }
  try {
    const one = await serversFor(1)
    const pages = { from: TIP + 1n, to: made.head }
    const alone = await fetchAndDrop(one, { ...pages, inFlight: 1 })
    const eight = await fetchAndDrop(one, { ...pages, inFlight: 8 })
    log(`fetched and dropped: ${figure(alone)} blocks/s one page at a time, ${figure(eight)} with eight`)
    const results = new Map<number, CaughtUp>()
    /** µs of processor that all serving processes took for a block. */
    const serving = new Map<number, number>()
    for (const peers of crowds) {
      const addresses = await serversFor(peers)
      const before = await cpuOf(servers)
      const result = await catchUp({ addresses, material: made, dataDir: join(folder, 'node'), profile: false, withTxLists: false, threads })
      results.set(peers, result)
      serving.set(peers, (await cpuOf(servers) - before) * 1_000 / blocks)
      log(`${peers} peers: ${figure(result.perSecond)} blocks/s, delay p99 ${figure(result.p99DelayMs)} ms, ${figure(result.ownP99DelayMs)} without waits for a core`)
    }
    const first = results.get(crowds[0] ?? 1)!
    const beside = await catchUp({
      addresses: await serversFor(crowds[0] ?? 1), material: made, dataDir: join(folder, 'node'), profile: true, withTxLists: false, threads,
      ...(set['profile'] !== undefined && { saveProfile: set['profile'] }),
    })
    log(table(['peers', 'blocks/s', 'delay p50', 'p99', 'max ms', 'p99 without waits for a core', 'p99 of an idle process', 'main', 'store', 'validator', 'µs a block: main', 'store', 'validator', 'RSS MB'], [...results].map(([peers, each]) => [
      String(peers), figure(each.perSecond), figure(each.p50DelayMs), figure(each.p99DelayMs), figure(each.maxDelayMs), figure(each.ownP99DelayMs), figure(each.idleP99DelayMs),
      percent(each.mainShare), percent(each.storeShare), percent(each.validatorShare),
      figure(each.mainUs), figure(each.storeUs), figure(each.validatorUs), figure(each.peakRssMb),
    ])))
    log(`the main thread, from a profile (${figure(beside.perSecond)} blocks/s with it): ${parts(beside.shares)}`)
    log(`in handlers, ms: ${Object.entries(first.handling).map(([name, ms]) => `${name} ${figure(ms)}`).join(', ')}`)
    log(`serving: ${(await Promise.all(servers.map(async each => { const { served, busyMs, cpuMs } = await each.figures(); return `${served} answers, ${figure(busyMs)} ms noted, ${figure(cpuMs)} ms of processor` }))).join('; ')}`)
    const servingUs = serving.get(crowds[0] ?? 1) ?? 0
    const allUs = first.mainUs + first.storeUs + first.validatorUs + servingUs
    const bound = cores * 1e6 / allUs
    log(`a block takes ${figure(allUs)} µs of processor in all (${figure(servingUs)} to serve it): ${cores} cores that do nothing else allow ${figure(bound)} blocks/s`)
    const perSecond = first.perSecond
    return {
      bench: 'catchup',
      figures: {
        blocks, perSecond, fetchOnePerSecond: alone, fetchEightPerSecond: eight,
        ...Object.fromEntries([...results].map(([peers, each]) => [`perSecond${peers}Peers`, each.perSecond])),
        delayP50Ms: first.p50DelayMs, delayP99Ms: first.p99DelayMs, delayMaxMs: first.maxDelayMs, ownDelayP99Ms: first.ownP99DelayMs, idleDelayP99Ms: first.idleP99DelayMs,
        ...Object.fromEntries(Object.entries(beside.shares).map(([part, share]) => [`main_${part}`, share])),
        mainShare: first.mainShare, storeThreadShare: first.storeShare, validatorThreadsShare: first.validatorShare,
        mainUsPerBlock: first.mainUs, storeUsPerBlock: first.storeUs, validatorUsPerBlock: first.validatorUs,
        servingUsPerBlock: servingUs, boundPerSecond: bound,
        peakRssMb: first.peakRssMb, cores, goalPerSecond: GOAL_PER_SECOND,
      },
      ratio: perSecond / GOAL_PER_SECOND,
      goal: 1,
      pass: perSecond >= GOAL_PER_SECOND && first.ownP99DelayMs < GOAL_DELAY_MS,
    }
  } finally {
    await Promise.all(servers.map(async each => each.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}

/** ms of processor that they have used so far. */
async function cpuOf(servers: readonly Server[]): Promise<number> {
  const figures = await Promise.all(servers.map(async each => each.figures()))
  return figures.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
const parts = (shares: Readonly<Record<string, number>>): string =>
  Object.entries(shares).sort(([, a], [, b]) => b - a).map(([part, share]) => `${part} ${percent(share)}`).join(', ')
