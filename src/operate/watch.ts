/** What becomes worse is one warning, what becomes well again one line (H84): by looking at the health, and by a table of events. */
import type { Clock, Logger } from '../actors/kernel/index.js'
import type { Ailment, NetworkEvent } from '../actors/service/index.js'
import { toHex } from '../protocol/index.js'
import { messageOf } from '../protocol/thrown.js'
import type { OperatedNode } from './methods.js'

/** How often the health is looked at, ms. */
const LOOK_EVERY = 5_000
/** An ailment that comes again sooner is not told again before, ms. */
const AGAIN_AFTER = 60_000
/** Ailments that every start has for a moment are told when they stay, ms. */
const TOLD_AFTER: Readonly<Record<string, number>> = { no_peers: 30_000, signing_held: 30_000 }
/** Their messages begin with what is ill: each is an ailment of its own. */
const APART: ReadonlySet<string> = new Set(['static_peer_unreached', 'not_answering'])
/** Ailments remembered at most: codes are few, static peers as many as are configured. */
const MAX_KEPT = 1_024
/** Lines of one type of event within a minute, ms; the rest are counted. */
const MAX_LINES = 5
const MINUTE = 60_000

interface Ill { readonly since: number; readonly code: string; message: string; told: boolean; here: boolean; lastTold: number }
/** What is told of an event. `well`: it is a recovery. */
interface Told { readonly text: string; readonly fields: Readonly<Record<string, unknown>>; readonly well?: true }

const hex = (bytes: Uint8Array): string => `0x${toHex(bytes)}`

/** Events that are worth a line and that no ailment of the health stands for. */
const EVENTS: { readonly [T in NetworkEvent['type']]?: (event: Extract<NetworkEvent, { type: T }>) => Told } = {
  equivocation: ({ signer, blockNumber }) => ({
    text: 'a signer has signed two blocks for one height: the first one seen stays; "reinstate" the other one if the network builds on it',
    fields: { signer: hex(signer), blockNumber: String(blockNumber) },
  }),
  misbehaviour: ({ signer, blockNumber, reason }) => ({ text: 'a signer has broken the rules: the evidence is kept', fields: { signer: hex(signer), blockNumber: String(blockNumber), reason } }),
  deepReorg: ({ hash, blockNumber, head }) => ({
    text: 'a reorg is deeper than may be followed: the chain stays until "reinstate" of this hash, or "confirm" of the tip that L1 has',
    fields: { hash: hex(hash), blockNumber: String(blockNumber), head: String(head) },
  }),
  gapFailed: ({ hash, height, asked }) => ({ text: 'a block that others build on could not be had from any peer', fields: { hash: hex(hash), blockNumber: String(height), asked } }),
  recordDamaged: () => ({ text: 'a record of the database was damaged', fields: {} }),
  scheduleMismatch: ({ epoch, expected, named }) => ({ text: 'the whitelist names another operator than was reckoned', fields: { epoch, expected, named } }),
  actorFailed: ({ actor, error }) => ({ text: 'a part failed and is restarted', fields: { actor, error } }),
  actorRestarted: ({ actor }) => ({ text: 'a part was restarted', fields: { actor }, well: true }),
}

export type Watched = Pick<OperatedNode, 'health' | 'subscribe'>

/** @returns ends the watch */
export function watch(node: Watched, log: Logger, clock: Clock): () => Promise<void> {
  const closing = new AbortController()
  const watching = new Watch(log, clock)
  let timer: ReturnType<Clock['setTimeout']> | undefined
  const look = async (): Promise<void> => {
    await node.health().then(({ status, ailments }) => { if (status !== 'stopping' && !closing.signal.aborted) watching.look(ailments) }, (error: unknown) => { log.debug({ error }, 'the health was not told') })
    if (!closing.signal.aborted) timer = clock.setTimeout(() => { void look() }, LOOK_EVERY)
  }
  timer = clock.setTimeout(() => { void look() }, LOOK_EVERY)
  const events = (async () => {
    for await (const event of node.subscribe({ signal: closing.signal })) if (event.type !== 'lagged') watching.see(event)
  })().catch((error: unknown) => { log.warn({ error: messageOf(error) }, 'events are not watched any more') })
  return async () => {
    closing.abort()
    if (timer !== undefined) clock.clearTimeout(timer)
    await events
  }
}

export class Watch {
  readonly #ill = new Map<string, Ill>()
  readonly #lines = new Map<string, { until: number; written: number; left: number }>()

  constructor(private readonly log: Logger, private readonly clock: Clock) {}

  /** The ailments of now. */
  look(ailments: readonly Ailment[]): void {
    const now = this.clock.monotonic()
    const seen = new Set<string>()
    for (const { code, message } of ailments) {
      const key = APART.has(code) ? `${code} ${message.split(' ')[0]!}` : code
      if (seen.has(key)) continue
      seen.add(key)
      const before = this.#ill.get(key)
      if (before === undefined && this.#ill.size >= MAX_KEPT) continue
      const ill = before?.here === true ? before : { since: now, code, message, told: false, here: true, lastTold: before?.lastTold ?? -Infinity }
      ill.message = message
      this.#ill.set(key, ill)
      if (ill.told || now - ill.since < (TOLD_AFTER[code] ?? 0) || now - ill.lastTold < AGAIN_AFTER) continue
      ill.told = true
      ill.lastTold = now
      this.log.warn({ code }, message)
    }
    for (const [key, ill] of this.#ill) {
      if (seen.has(key)) continue
      if (ill.here && ill.told) this.log.info({ code: ill.code, afterMs: Math.round(now - ill.since) }, `over: ${ill.message}`)
      ill.here = false
      if (now - ill.lastTold >= AGAIN_AFTER) this.#ill.delete(key)
    }
  }

  see(event: NetworkEvent): void {
    const told = (EVENTS[event.type] as ((event: NetworkEvent) => Told) | undefined)?.(event)
    if (told === undefined) return
    const now = this.clock.monotonic()
    const line = this.#lines.get(event.type)
    const current = line !== undefined && now < line.until ? line : { until: now + MINUTE, written: 0, left: line === undefined ? 0 : line.left }
    this.#lines.set(event.type, current)
    if (current.written >= MAX_LINES) {
      current.left++
      return
    }
    current.written++
    const fields = current.left === 0 ? told.fields : { ...told.fields, notTold: current.left }
    current.left = 0
    if (told.well === true) this.log.info(fields, told.text)
    else this.log.warn(fields, told.text)
  }
}
