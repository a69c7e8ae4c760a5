import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { catchUp, cores } from './catchup/catching-up.js'
import { material } from './catchup/material.js'
import { Server } from './catchup/servers.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { figure, logVersions } from './harness.js'

export const about = 'a day of downtime caught up over TCP, commitments and txlists, with its time and memory'

/** A block every 2 s. */
const DAY = 43_200
const TXLIST_BYTES = 20_000
/** How much faster than the chain grows it has to be at least: an hour behind is caught up with in a minute. */
const GOAL = 60
/** What the node may hold in memory meanwhile, whatever the length of its absence. MB. */
const GOAL_RSS_MB = 1_000

/** `--blocks N`: fewer than a day. `--peers N`: who serve, 2 by default. */
export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['libp2p', 'classic-level', 'secp256k1'])
  const { set, log } = options
  const blocks = Math.max(100, Math.round(Number(set['blocks'] ?? DAY * options.scale)))
  const peers = Number(set['peers'] ?? 2)
  const txListBytes = Number(set['txlist'] ?? TXLIST_BYTES)
  const made = await material(blocks, txListBytes, log)
  const folder = await mkdtemp(join(tmpdir(), 'bench-downtime-'))
  const servers: Server[] = []
  try {
    while (servers.length < peers) servers.push(await Server.start(made, join(folder, `server-${servers.length}`)))
    const result = await catchUp({
      addresses: servers.map(({ address }) => address), material: made, dataDir: join(folder, 'node'), profile: false, withTxLists: true,
      threads: Math.min(4, Math.max(2, cores - 1)),
    })
    const megabytes = blocks * (txListBytes + 382) / 1e6
    log(`${blocks} blocks, ${figure(megabytes)} MB from ${peers} peers: commitments after ${figure(result.headMs / 1_000)} s, everything after ${figure(result.ms / 1_000)} s`)
    log(`memory at most: ${figure(result.peakRssMb)} MB, of which heap ${figure(result.peakHeapMb)} MB`)
    const timesChain = blocks * 2_000 / result.ms
    return {
      bench: 'downtime',
      figures: {
        blocks, peers, seconds: result.ms / 1_000, commitmentsSeconds: result.headMs / 1_000, perSecond: result.perSecond,
        megabytesPerSecond: megabytes * 1_000 / result.ms, peakRssMb: result.peakRssMb, peakHeapMb: result.peakHeapMb,
        delayP99Ms: result.p99DelayMs, mainShare: result.mainShare, storeThreadShare: result.storeShare, validatorThreadsShare: result.validatorShare,
        timesChainSpeed: timesChain,
      },
      ratio: timesChain,
      goal: GOAL,
      pass: timesChain >= GOAL && result.peakRssMb <= GOAL_RSS_MB,
    }
  } finally {
    await Promise.all(servers.map(async each => each.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}
