import { channel } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { OwnDelay, mainThreadMs } from '../own-delay.js'
import { nowMs } from './clock.js'
import type { Arrivals, Holdings, Usage } from './wire.js'

/** Records what has arrived when. */
export class ArrivalRecorder {
  #heights: number[] = []
  #atMs: number[] = []

  get count(): number { return this.#heights.length }
  arrived(height: number): void {
    this.#heights.push(height)
    this.#atMs.push(nowMs())
  }
  take(): Arrivals {
    const arrivals = { heights: Float64Array.from(this.#heights), atMs: Float64Array.from(this.#atMs) }
    this.#heights = []
    this.#atMs = []
    return arrivals
  }
}

/** Resolution of the event loop's delay, ms. */
const RESOLUTION = 1

interface Point { readonly atMs: number; readonly mainMs: number; readonly waitedMs: number; readonly allMs: number; readonly busyMs: number; readonly bytesIn: number; readonly bytesOut: number; readonly copies: number; readonly copiesBytes: number }

/** Counts what the process uses. Made before anything connects. */
export class UsageRecorder {
  copies = 0
  copiesBytes = 0
  readonly #sockets = new Set<Socket>()
  #closedIn = 0
  #closedOut = 0
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  readonly #ownDelay = new OwnDelay()
  #since: Point

  constructor() {
    const opened = (message: unknown): void => { this.#watch((message as { socket: Socket }).socket) }
    channel('net.client.socket').subscribe(opened)
    channel('net.server.socket').subscribe(opened)
    this.#delay.enable()
    this.#since = this.#point()
  }

  /** Since the last call. */
  usage(): Usage {
    const before = this.#since
    const now = this.#point()
    this.#since = now
    // the histogram records its own timer's period too
    const late = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION)
    const usage = {
      wallMs: now.atMs - before.atMs, mainMs: now.mainMs - before.mainMs, waitedMs: now.waitedMs - before.waitedMs, allMs: now.allMs - before.allMs, busyMs: now.busyMs - before.busyMs,
      delayP50Ms: late(this.#delay.percentile(50)), delayP99Ms: late(this.#delay.percentile(99)), delayMaxMs: late(this.#delay.max), ownDelayP99Ms: this.#ownDelay.takeP99(),
      bytesIn: now.bytesIn - before.bytesIn, bytesOut: now.bytesOut - before.bytesOut,
      copies: now.copies - before.copies, copiesBytes: now.copiesBytes - before.copiesBytes,
    }
    this.#delay.reset()
    return usage
  }

  holdings(): Holdings {
    globalThis.gc?.()
    const { rss, heapUsed, external } = process.memoryUsage()
    const resources: Record<string, number> = {}
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
    return { rss, heapUsed, external, resources }
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#closedIn += socket.bytesRead
      this.#closedOut += socket.bytesWritten
    })
  }

  #point(): Point {
    const { user, system } = process.cpuUsage()
    let [bytesIn, bytesOut] = [this.#closedIn, this.#closedOut]
    for (const socket of this.#sockets) {
      bytesIn += socket.bytesRead
      bytesOut += socket.bytesWritten
    }
    const busyMs = performance.eventLoopUtilization().active
    const [mainMs = busyMs, waitedMs = 0] = mainThreadMs() ?? []
    return { atMs: nowMs(), mainMs, waitedMs, allMs: (user + system) / 1_000, busyMs, bytesIn, bytesOut, copies: this.copies, copiesBytes: this.copiesBytes }
  }
}
