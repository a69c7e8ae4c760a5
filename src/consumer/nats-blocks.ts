import { setTimeout as pause } from 'node:timers/promises'
import type { ScheduleResolver } from '../actors/chain/index.js'
import { itemOf } from '../actors/sink/message.js'
import type { SinkItem } from '../actors/sink/message.js'
import { placeOf } from '../actors/sink/resume.js'
import type { StoredMessage } from '../actors/sink/sink.js'
import { parseServers, sinkErrorOf } from '../actors/sink/nats/connecting.js'
import type { NatsReach } from '../actors/sink/nats/connecting.js'
import { streamNameOf, subjectOf } from '../actors/sink/nats/stream.js'
import { DEFAULT_CHAIN_ID } from '../protocol/index.js'
import { codeOf } from '../protocol/thrown.js'
import { BlockCheck } from './check.js'
import { ConsumerError } from './errors.js'
import { KeptCursor } from './kept-cursor.js'
import { anewBefore, parsePlace, textOf } from './place.js'
import type { Place } from './place.js'
import { Session } from './session.js'

export interface NatsBlocksOptions extends NatsReach {
  /** Default 167000n. */
  readonly chainId?: bigint
  /** The stream and subject of the sink, where they are not the default. */
  readonly stream?: string
  readonly subject?: string
  /** A height (that block is the first), or the cursor of the last item that you have dealt with. Default 0n. */
  readonly from?: bigint | string
  /**
   * Keeps the cursor in the broker under this name (letters, digits, `-`, `_`): each item is done with when the next one is asked for. `from` holds
   * only where nothing is kept yet.
   */
  readonly durable?: string
  /** Who may sign: then each block is checked here, and the broker need not be trusted. */
  readonly schedule?: ScheduleResolver
  /** Signing domain, for the check. */
  readonly domain?: Uint8Array | string
  readonly signal?: AbortSignal
  /** Told when the broker cannot be read, and goes on trying. */
  readonly onTrouble?: (error: Error) => void
}

/** Between attempts to reach the broker, ms. */
const AGAIN_AFTER = 500
/** Failures that no further attempt mends. */
const FINAL: ReadonlySet<string> = new Set(['bad_config', 'no_client', 'unauthorized', 'bad_message', 'not_authentic', 'not_elected', 'taken', 'bad_cursor'])

/**
 * The ordered stream from a broker that a node's sink writes to: the items of `service.blocks()`, but for `stalled`. Each once, in order, and across
 * restarts at least once from the cursor that is kept. Follows restarts of the broker. Where what was read last is not there any more (the stream was
 * made anew, or has dropped it), a `rewind` with `reset: true` says from where on the chain is told again.
 * @throws ConsumerError; `bad_config` and `bad_cursor` at once
 */
export function natsBlocks(options: NatsBlocksOptions): AsyncGenerator<SinkItem, void, undefined> {
  const { from = 0n, durable, chainId = DEFAULT_CHAIN_ID } = options
  try {
    parseServers(options.servers)
  } catch (error) {
    throw new ConsumerError('bad_config', (error as Error).message, options.servers, { cause: error })
  }
  if (durable !== undefined && !/^[\w-]{1,64}$/.test(durable)) throw new ConsumerError('bad_config', 'durable is a name of letters, digits, - and _', durable)
  if (typeof from === 'bigint' ? from < 0n : typeof from !== 'string') throw new ConsumerError('bad_cursor', 'from is a height or a cursor', from)
  const left = new AbortController()
  const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal])
  const reader = new Reader(options, chainId, typeof from === 'string' ? parsePlace(from) : undefined, typeof from === 'bigint' ? from : 0n, signal)
  const items = reader.items()
  const end = items.return.bind(items)
  items.return = async () => {
    left.abort()
    return end()
  }
  return items
}

class Reader {
  /** The highest height that this reader has been told, or wants nothing below. */
  #has: bigint
  /** It has been told something: before that there is nothing that could be taken back. */
  #begun: boolean

  constructor(
    private readonly options: NatsBlocksOptions, private readonly chainId: bigint, private place: Place | undefined, private readonly from: bigint,
    private readonly signal: AbortSignal,
  ) {
    this.#has = place?.height ?? from - 1n
    this.#begun = place !== undefined
  }

  async * items(): AsyncGenerator<SinkItem, void, undefined> {
    const { schedule, domain, onTrouble } = this.options
    const check = schedule === undefined ? undefined : await BlockCheck.create(schedule, domain)
    while (!this.signal.aborted) {
      try {
        yield * this.#session(check)
      } catch (error) {
        if (this.signal.aborted) return
        const code = codeOf(error) ?? 'failed'
        if (FINAL.has(code)) throw error instanceof ConsumerError ? error : new ConsumerError(code as 'bad_config', (error as Error).message, (error as { value?: unknown }).value, { cause: error })
        onTrouble?.(sinkErrorOf(error, 'the broker cannot be read'))
      }
      await pause(AGAIN_AFTER, undefined, { signal: this.signal }).catch(() => undefined)
    }
  }

  async * #session(check: BlockCheck | undefined): AsyncGenerator<SinkItem, void, undefined> {
    const { stream = streamNameOf(this.chainId), subject = subjectOf(this.chainId), durable } = this.options
    const session = await Session.open(this.options, stream, subject)
    const leave = (): void => { void session.close() }
    this.signal.addEventListener('abort', leave, { once: true })
    let kept: KeptCursor | undefined
    try {
      if (this.signal.aborted) return
      kept = durable === undefined ? undefined : await KeptCursor.open(session, this.chainId, durable)
      const saved = await kept?.load()
      // What this reader has told already is newer than what it had time to save.
      if (saved !== undefined && this.place === undefined) {
        this.place = parsePlace(saved)
        this.#has = this.place.height
        this.#begun = true
      }
      const isAnew = await this.#isAnew(session)
      const start = isAnew || this.place === undefined ? await this.#startOf(session) : this.place.sequence + 1
      yield * this.#follow(session, start, isAnew, check, kept)
    } finally {
      this.signal.removeEventListener('abort', leave)
      await kept?.flush()
      await session.close()
    }
  }

  async * #follow(session: Session, start: number, isAnew: boolean, check: BlockCheck | undefined, kept: KeptCursor | undefined): AsyncGenerator<SinkItem, void, undefined> {
    let expected = start
    let resets = isAnew
    for await (const message of session.from(start)) {
      const item = itemOf(message)
      // What was between is not kept any more: the chain is told again from here on.
      if (message.sequence !== expected && this.place !== undefined) resets = true
      expected = message.sequence + 1
      if (item.kind === 'block') await check?.check(item, message.sequence, this.signal)
      if (resets) {
        resets = false
        for (const told of this.#reset(message, item)) {
          yield told
          kept?.save(told.cursor)
        }
      }
      const told = this.#told(message, item)
      this.place = { sequence: message.sequence, id: message.id, height: item.kind === 'block' ? item.blockNumber : item.to }
      if (told === undefined) continue
      yield told
      kept?.save(textOf(this.place))
    }
  }

  /** Whether what was read last is not where it was: then the chain is told again. */
  async #isAnew(session: Session): Promise<boolean> {
    if (this.place === undefined) return false
    const { sequence, id } = this.place
    if (id.endsWith(':anew')) return (await session.range()).first !== sequence + 1
    return (await session.read(sequence))?.id !== id
  }

  /** The item as this reader gets it; `undefined` where it has no use for it. */
  #told(message: StoredMessage, item: SinkItem): SinkItem | undefined {
    const cursor = textOf(message)
    const has = this.#has
    const height = item.kind === 'block' ? item.blockNumber : item.to
    if (item.kind === 'rewind' ? height >= has || !this.#begun : height <= has) return undefined
    this.#has = height
    this.#begun = true
    return item.kind === 'skipped' && item.from <= has ? { ...item, from: has + 1n, cursor } : { ...item, cursor }
  }

  * #reset(message: StoredMessage, item: SinkItem): Generator<SinkItem, void, undefined> {
    const before = item.kind === 'block' ? item.blockNumber - 1n : item.kind === 'skipped' ? item.from - 1n : item.to
    const height = this.#has
    const to = this.#has = before < height ? before : height
    this.place = anewBefore(message.sequence, to)
    yield { kind: 'rewind', to, reset: true, cursor: textOf(this.place) }
    if (before <= height) return
    this.#has = before
    this.place = anewBefore(message.sequence, before)
    yield { kind: 'skipped', from: height + 1n, to: before, cursor: textOf(this.place) }
  }

  /** A sequence from which on everything above the wanted height comes: behind one that lies below it. */
  async #startOf(session: Session): Promise<number> {
    const { first, last } = await session.range()
    if (this.place !== undefined || this.from === 0n || last < first) return first
    const isBelow = async (sequence: number): Promise<boolean> => {
      const message = await session.read(sequence)
      return message !== undefined && placeOf(message).blockNumber < this.from
    }
    let [below, above] = [first - 1, last + 1]
    while (above - below > 1) {
      const middle = Math.floor((below + above) / 2)
      if (await isBelow(middle)) below = middle
      else above = middle
    }
    return below + 1
  }
}
