import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { silentLogger } from '../kernel/index.js'
import { cursorOf } from '../../protocol/cursor.js'
import { largestPayload } from './config.js'
import { HEADERS } from './message.js'
import type { OpenSink, Sink, SinkMessage } from './sink.js'

/** One promise of a sink, and how it is tried. */
export interface SinkTrial {
  readonly title: string
  /** Rejects with an AssertionError where the promise is broken. */
  readonly run: () => Promise<void>
}

/**
 * What every sink promises (`Sink`), as trials for any test runner: `for (const { title, run } of sinkContract(makeSink)) it(title, run)`.
 * @param makeSink gives a sink into an empty place of its own at each call; it is opened several times
 */
export function sinkContract(makeSink: () => Sink | Promise<Sink>): readonly SinkTrial[] {
  const trial = (title: string, run: (sessions: Sessions) => Promise<void>): SinkTrial => ({
    title,
    async run() {
      const sessions = new Sessions(await makeSink())
      try { await run(sessions) } finally { await sessions.close() }
    },
  })
  return [
    trial('an empty sink has no last message', async ({ open }) => {
      const session = await open()
      strictEqual(await session.last(), undefined)
      strictEqual(await session.read(1), undefined)
    }),
    trial('a message comes back as it went: id, headers, payload; and is there for who opens it later', async ({ open }) => {
      const session = await open()
      const sequence = await session.append(message(1), NOTHING_YET)
      ok(sequence >= 1)
      await session.close()
      const later = await open()
      for (const stored of [await later.last(), await later.read(sequence)]) {
        strictEqual(stored?.sequence, sequence)
        strictEqual(stored?.id, message(1).id)
        for (const [name, value] of Object.entries(message(1).headers)) strictEqual(stored?.headers[name], value, name)
        deepStrictEqual(Uint8Array.from(stored.payload), message(1).payload)
      }
    }),
    trial('an empty payload, and the largest that was asked for', async ({ open, sink }) => {
      const session = await open()
      const first = await session.append({ ...message(1), payload: new Uint8Array() }, NOTHING_YET)
      const large = new Uint8Array(largestPayload(sink.settings)).fill(7)
      const second = await session.append({ ...message(2), payload: large }, { sequence: first, id: message(1).id })
      strictEqual((await session.read(first))?.payload.length, 0)
      strictEqual((await session.read(second))?.payload.length, large.length)
    }),
    trial('many at once keep their order, and count by one', async ({ open }) => {
      const session = await open()
      const first = await session.append(message(0), NOTHING_YET)
      const rest = await Promise.all(Array.from({ length: 200 }, (_, at) => session.append(message(at + 1), { sequence: first + at, id: message(at).id })))
      deepStrictEqual(rest, Array.from({ length: 200 }, (_, at) => first + at + 1))
      for (const at of [1, 100, 200]) strictEqual((await session.read(first + at))?.id, message(at).id)
    }),
    trial('where another message is the last than was expected, an append is refused, and nothing is written', async ({ open }) => {
      const session = await open()
      const first = await session.append(message(1), NOTHING_YET)
      await refused(session.append(message(2), NOTHING_YET))
      await refused(session.append(message(2), { sequence: first + 1, id: undefined }))
      await refused(session.append(message(2), { sequence: first, id: 'another' }))
      strictEqual((await session.last())?.id, message(1).id)
    }),
    trial('of two writers that expect the same, one is refused', async ({ open }) => {
      const [one, two] = [await open(), await open()]
      const outcomes = await Promise.allSettled([one.append(message(1), NOTHING_YET), two.append(message(2), NOTHING_YET)])
      strictEqual(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
      const [last] = [await one.last()]
      deepStrictEqual((await two.last())?.id, last?.id)
    }),
    trial('when one is refused, all behind it are: also where just one message of another writer came between', async ({ open }) => {
      const [old, other] = [await open(), await open()]
      const first = await old.append(message(1), NOTHING_YET)
      const theirs = await other.append(message(100), { sequence: first, id: undefined })
      // By their sequences alone the second of these would fit right behind the other's.
      const outcomes = await Promise.allSettled([2, 3, 4].map(at => old.append(message(at), { sequence: first + at - 2, id: message(at - 1).id })))
      deepStrictEqual(outcomes.map(({ status }) => status), ['rejected', 'rejected', 'rejected'])
      strictEqual((await other.last())?.sequence, theirs)
    }),
    trial('the same message sent again is there once', async ({ open }) => {
      const [one, again] = [await open(), await open()]
      const sequence = await one.append(message(1), NOTHING_YET)
      await again.append(message(1), NOTHING_YET).then(known => { strictEqual(known, sequence) }, isRefusal)
      strictEqual((await again.last())?.sequence, sequence)
      const next = await again.append(message(2), { sequence, id: undefined })
      strictEqual((await one.last())?.sequence, next)
    }),
    trial('a session that was closed takes nothing', async ({ open }) => {
      const session = await open()
      await session.close()
      await rejects(session.append(message(1), NOTHING_YET))
      await session.close()
      strictEqual(await (await open()).last(), undefined)
    }),
  ]
}

const NOTHING_YET = { sequence: 0, id: undefined }
/** Of the chain that trials are made for. */
const CHAIN = 167_000n

class Sessions {
  readonly #open: OpenSink[] = []
  readonly #ended = new AbortController()

  constructor(readonly sink: Sink) {}

  readonly open = async (): Promise<OpenSink> => {
    const session = await this.sink.open({ chainId: CHAIN, largestPayload: largestPayload(this.sink.settings), log: silentLogger, signal: this.#ended.signal })
    this.#open.push(session)
    return session
  }

  async close(): Promise<void> {
    this.#ended.abort()
    await Promise.all(this.#open.map(session => session.close()))
  }
}

function message(number: number): SinkMessage {
  const id = cursorOf({ blockNumber: BigInt(number), hash: new Uint8Array(32).fill(number), told: { store: '0102030405060708', number: 0 } })
  return { id, headers: { [HEADERS.kind]: 'block', [HEADERS.cursor]: id, [HEADERS.height]: String(number) }, payload: new Uint8Array(400).fill(number) }
}

async function refused(append: Promise<number>): Promise<void> {
  await append.then(sequence => { throw new Error(`it was taken as ${sequence}`) }, isRefusal)
}

function isRefusal(error: unknown): void {
  strictEqual((error as { readonly code?: unknown }).code, 'refused', String(error))
}
