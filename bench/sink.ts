import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { jetstream } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { messageOf } from '../src/actors/sink/message.js'
import type { SinkItem } from '../src/actors/sink/message.js'
import { toHex } from '../src/protocol/index.js'
import { Place } from '../test/nats/room.js'
import { StageNode } from '../test/sink/stage.js'
import { until } from '../test/support/until.js'
import { alternate, describeSample, logVersions, quantile, timed } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'

export const about = 'the sink into NATS JetStream against a bare client with as many publishes in flight; a day\'s backlog; the delay that it adds live'

const IN_FLIGHT = 128
/** A share of what the bare client does. */
const GOAL = 0.8
/** Blocks of a day, one in 2 s, and within how many s they have to be there. */
const DAY = 43_200
const DAY_WITHIN = 15
const LIVE_P99_MS = 10

export async function run({ rounds = 5, scale, log }: BenchOptions): Promise<BenchResult> {
  const found = spawnSync(process.execPath, [fileURLToPath(new URL('../../scripts/test-nats.js', import.meta.url)), '--find'], { encoding: 'utf8' }).stdout.trim()
  if (found === '' || found.startsWith('skipped')) throw new Error(found)
  process.env['NATS_SERVER'] = found
  const { NatsServer } = await import('../test/nats/server.js')
  logVersions({ log } as BenchOptions, ['@nats-io/transport-node', '@nats-io/jetstream'])
  const server = await NatsServer.start()
  try {
    const node = await StageNode.start()
    const count = Math.max(500, Math.round(10_000 * scale))
    const day = Math.max(1_000, Math.round(DAY * scale))
    for (let made = 0; made < day; made += 2_000) await node.append(Math.min(2_000, day - made))
    const few = await StageNode.start()
    await few.take(node.chain.slice(0, count))
    const items = await itemsOf(few, count)

    const { subject, baseline, ratio } = await alternate({
      rounds,
      subject: async () => {
        const place = new Place(server)
        const { ms } = await timed(async () => {
          const sink = few.sink(place.sink({ inFlight: IN_FLIGHT }))
          await until(async () => (await sink.figures()).height === few.head && (await sink.figures()).inFlight === 0, 'all is there')
          await sink.stop()
        })
        await remove(place)
        return count / ms * 1_000
      },
      baseline: async () => {
        const place = new Place(server)
        await place.manage(jsm => jsm.streams.add({ name: place.stream, subjects: [place.subject] }))
        const connection = await connect({ servers: `127.0.0.1:${server.port}` })
        const js = jetstream(connection)
        const { ms } = await timed(async () => {
          let at = 0
          await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
            while (at < items.length) {
              const { id, headers: named, payload } = messageOf(items[at++]!, 1, { encoding: 'ssz' })
              const sent = headers()
              for (const [name, value] of Object.entries(named)) sent.set(name, value)
              await js.publish(place.subject, payload, { msgID: id, headers: sent })
            }
          }))
        })
        await connection.close()
        await remove(place)
        return count / ms * 1_000
      },
    })
    log(`sink ${describeSample(subject)}/s, bare client ${describeSample(baseline)}/s, ratio ${describeSample(ratio)}`)

    const place = new Place(server)
    const backlog = await timed(async () => {
      const sink = node.sink(place.sink())
      await until(async () => (await sink.figures()).height === node.head, 'the day is there')
      await sink.stop()
    })
    await remove(place)
    const delays = await live(server, Math.max(50, Math.round(500 * scale)))
    await Promise.all([node.stop(), few.stop()])
    const figures = {
      sinkPerSecond: subject.median, bareClientPerSecond: baseline.median, backlogBlocks: day, backlogSeconds: backlog.ms / 1_000,
      liveP50Ms: quantile(delays, 0.5), liveP99Ms: quantile(delays, 0.99),
    }
    const pass = ratio.median >= GOAL && figures.backlogSeconds / day * DAY <= DAY_WITHIN && figures.liveP99Ms <= LIVE_P99_MS
    return { bench: 'sink', figures, ratio: ratio.median, goal: GOAL, pass }
  } finally {
    await server.stop()
  }
}

const remove = (place: Place): Promise<boolean> => place.manage(jsm => jsm.streams.delete(place.stream))

async function itemsOf(node: StageNode, count: number): Promise<SinkItem[]> {
  const items: SinkItem[] = []
  const left = new AbortController()
  for await (const item of node.source.blocks({ from: 1n, withTxList: true, signal: left.signal })) {
    if (item.kind !== 'stalled') items.push(item)
    if (items.length >= count) left.abort()
  }
  return items
}

/** From the moment that a reader of the ordered stream has a block until a subscriber of the broker has it, ms. */
async function live(server: { readonly port: number; readonly url: string }, count: number): Promise<number[]> {
  const node = await StageNode.start()
  const place = new Place(server as never)
  await node.append(1)
  const sink = node.sink(place.sink())
  await until(async () => (await sink.figures()).height === 1n, 'it writes')
  const connection = await connect({ servers: `127.0.0.1:${server.port}` })
  const [read, arrived] = [new Map<string, number>(), new Map<string, number>()]
  const subscription = connection.subscribe(place.subject, { callback: (_error, message) => { arrived.set(message.headers?.get('Preconf-Hash') ?? '', performance.now()) } })
  await connection.flush()
  const left = new AbortController()
  const reading = (async () => {
    for await (const item of node.source.blocks({ from: 2n, withTxList: true, signal: left.signal })) if (item.kind === 'block') read.set(toHex(item.hash), performance.now())
  })()
  for (let at = 0; at < count; at++) {
    await node.append(1, at)
    await until(() => arrived.size > at && read.size > at, 'a block has come', 10_000, 1)
  }
  left.abort()
  await reading
  subscription.unsubscribe()
  await connection.close()
  await node.stop()
  return [...read].map(([hash, at]) => Math.max(0, arrived.get(hash)! - at))
}
