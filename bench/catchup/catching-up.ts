import { rm } from 'node:fs/promises'
import { cpus } from 'node:os'
import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { P2pService, scheduleFromSigners } from '../../src/index.js'
import type { ActorSnapshot, TreeSnapshot } from '../../src/actors/kernel/index.js'
import { loopDelay } from '../harness.js'
import { OwnDelay } from '../own-delay.js'
import { idleDelay } from './bystander.js'
import { TIP } from './material.js'
import type { Material } from './material.js'
import { profiled } from './profile.js'
import { between, mainThread, threadTimes } from './threads.js'

/** What one catch-up came to. */
export interface CaughtUp {
  readonly blocks: number
  /** From the first dial until everything is durable. */
  readonly ms: number
  readonly perSecond: number
  /** Until the commitments were there, ms: less where txlists are waited for. */
  readonly headMs: number
  /** How late the main thread's loop was, ms. */
  readonly p50DelayMs: number
  readonly p99DelayMs: number
  readonly maxDelayMs: number
  /** p99 without the time in which the machine had no core for the main thread. */
  readonly ownP99DelayMs: number
  /** The same p99 of a process without any work, meanwhile: what the machine adds. */
  readonly idleP99DelayMs: number
  /** Parts of the main thread's time by room; only with a profile, which itself costs time. */
  readonly shares: Readonly<Record<string, number>>
  /** Parts of one core that threads used. */
  readonly mainShare: number
  readonly storeShare: number
  readonly validatorShare: number
  /** The same as µs of processor for each block: what does not depend on who else uses the machine. */
  readonly mainUs: number
  readonly storeUs: number
  readonly validatorUs: number
  /** ms in handlers, by actor. */
  readonly handling: Readonly<Record<string, number>>
  readonly peakRssMb: number
  readonly peakHeapMb: number
}

export interface CatchUpOptions {
  readonly addresses: readonly string[]
  readonly material: Material
  readonly dataDir: string
  readonly profile: boolean
  /** Where the profile goes, for a look at it with other tools. */
  readonly saveProfile?: string
  /** Whether txlists are waited for as well. */
  readonly withTxLists: boolean
  readonly threads: number
}

const wait = (ms: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, ms) })

/** A node with a real store on disk catches up with a chain from servers over TCP. */
export async function catchUp(options: CatchUpOptions): Promise<CaughtUp> {
  const { addresses, material, dataDir, profile, saveProfile, withTxLists, threads } = options
  await rm(dataDir, { recursive: true, force: true })
  // node's own threads come into being with the first work for them; what comes after is ours
  await Promise.all(Array.from({ length: 4 }, () => promisify(pbkdf2)('a', 'b', 1, 8, 'sha256')))
  const others = new Set((await threadTimes()).keys())
  const service = await P2pService.start({
    dataDir, listen: [], discovery: false, schedule: scheduleFromSigners(material.signers), confirmedTip: { blockNumber: TIP },
    validator: { pool: { threads } },
  })
  try {
    const [storeThread, ...checkers] = [...(await threadTimes()).keys()].filter(id => !others.has(id)).sort((a, b) => a - b)
    let headMs = 0
    let peakRss = 0
    let peakHeap = 0
    const watch = setInterval(() => {
      const { rss, heapUsed } = process.memoryUsage()
      peakRss = Math.max(peakRss, rss)
      peakHeap = Math.max(peakHeap, heapUsed)
    }, 100)
    const before = await threadTimes()
    const work = async (): Promise<number> => {
      const started = performance.now()
      const done = (async () => {
        for await (const event of service.events) if (event.type === 'head' && event.head.blockNumber >= material.head) return
      })()
      await Promise.all(addresses.map(address => service.dial(address)))
      await done
      headMs = performance.now() - started
      if (withTxLists) while (((await service.figures()).store?.stats.txLists ?? 0) < material.blocks) await wait(250)
      return performance.now() - started
    }
    const own = new OwnDelay()
    const run = async () => idleDelay(async () => loopDelay(work))
    const { value, shares } = profile ? await profiled(run, saveProfile) : { value: await run(), shares: {} }
    const { value: ms, p50Ms, p99Ms, maxMs } = value.value
    clearInterval(watch)
    own.stop()
    const ownP99DelayMs = own.takeP99()
    const used = between(before, await threadTimes())
    const { head } = await service.health()
    if (head?.blockNumber !== material.head) throw new Error(`the head is ${String(head?.blockNumber)}`)
    const cpuMs = (...ids: (number | undefined)[]): number => ids.reduce((sum: number, id) => sum + (id === undefined ? 0 : used.get(id) ?? 0), 0)
    const [main, store, validator] = [cpuMs(mainThread), cpuMs(storeThread), cpuMs(...checkers)]
    const us = 1_000 / material.blocks
    return {
      blocks: material.blocks, ms, perSecond: material.blocks * 1_000 / ms, headMs, p50DelayMs: p50Ms, p99DelayMs: p99Ms, maxDelayMs: maxMs, ownP99DelayMs, idleP99DelayMs: value.p99Ms, shares,
      mainShare: main / ms, storeShare: store / ms, validatorShare: validator / ms, mainUs: main * us, storeUs: store * us, validatorUs: validator * us,
      handling: Object.fromEntries(actorsOf(service.describe()).map(({ name, handling }) => [name, handling.sumMs])),
      peakRssMb: peakRss / 1e6, peakHeapMb: peakHeap / 1e6,
    }
  } finally {
    await service.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

export const cores = cpus().length

function actorsOf(tree: TreeSnapshot): ActorSnapshot[] {
  return tree.children.flatMap(child => child.kind === 'actor' ? [child] : actorsOf(child))
}
