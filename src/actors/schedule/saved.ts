import { ScheduleError } from './errors.js'
import type { Hex, Operator, PostedSlot, Roster, Variant } from './facts.js'
import type { Kept } from './opening.js'
import type { Posted } from './record.js'
import { EPOCH } from './time.js'
import type { Entry } from './timeline.js'

/** The store's names. */
export const NAMES = { record: 'schedule/record', lookaheads: 'schedule/lookaheads' } as const

const VERSION = 1
/** Epochs whose lookaheads are in one value. */
const EPOCHS_PER_CHUNK = 64

/** JSON cannot say that a time never comes. */
const NEVER = 'never'

/** As texts for the store, by name, the record last. */
export function encode({ chainId, contracts, genesis, since, until, posted, roots, activity, rosters }: Kept): ReadonlyMap<string, string> {
  const chunks = new Map<string, unknown[]>()
  for (const [epoch, { at, slots }] of [...posted].sort(([a], [b]) => a - b)) {
    const name = `${NAMES.lookaheads}/${Math.floor((epoch - genesis) / EPOCH / EPOCHS_PER_CHUNK)}`
    const entry = [epoch, at, slots?.map(({ committer, time, root }) => [committer, time, root]) ?? null]
    chunks.set(name, [...chunks.get(name) ?? [], entry])
  }
  const record = {
    version: VERSION, chainId: String(chainId), ...contracts, genesis, since, until, chunks: [...chunks.keys()],
    roots: [...roots].sort(([a], [b]) => a - b).map(([epoch, { root, time }]) => [epoch, root, time]),
    activity: [...activity].map(([root, entries]) => [root, entries.map(({ from, value }) => [from, value ?? null])]),
    rosters: rosters.map(({ from, value }) => [from, value.map(({ operators, latestActivation }) => [latestActivation === Infinity ? NEVER : latestActivation, operators])]),
  }
  return new Map([...[...chunks].map(([name, entries]) => [name, JSON.stringify(entries)] as const), [NAMES.record, JSON.stringify(record)]])
}

/** The names of the values that belong to a record. @throws ScheduleError `bad_response` */
export function chunksOf(text: string): readonly string[] {
  return listOf(objectOf(JSON.parse(text))['chunks']).map(name => {
    if (typeof name !== 'string' || !name.startsWith(NAMES.lookaheads)) throw damaged()
    return name
  })
}

/** @throws ScheduleError `bad_response` where anything of it is damaged: L1 has it all */
export function decode(text: string, pieces: readonly (string | undefined)[]): Kept {
  const saved = objectOf(JSON.parse(text))
  if (saved['version'] !== VERSION || pieces.includes(undefined)) throw damaged()
  return {
    chainId: BigInt(textOf(saved['chainId'])),
    contracts: { variant: textOf(saved['variant']) as Variant, checker: hexOf(saved['checker']), whitelist: hexOf(saved['whitelist']) },
    genesis: timeOf(saved['genesis']), since: timeOf(saved['since']), until: timeOf(saved['until']),
    posted: new Map(pieces.flatMap(piece => listOf(JSON.parse(piece!)).map(postedOf))),
    roots: new Map(listOf(saved['roots']).map(entry => {
      const [epoch, root, time] = listOf(entry)
      return [timeOf(epoch), { root: hexOf(root), time: timeOf(time) }] as const
    })),
    activity: new Map(listOf(saved['activity']).map(entry => {
      const [root, entries] = listOf(entry)
      return [hexOf(root), listOf(entries).map(each => entryOf(each, value => value === null ? undefined : value === true))] as const
    })),
    rosters: listOf(saved['rosters']).map(each => entryOf(each, value => listOf(value).map(rosterOf))),
  }
}

function postedOf(entry: unknown): readonly [number, Posted] {
  const [epoch, at, slots] = listOf(entry)
  const read = (slot: unknown): PostedSlot => {
    const [committer, time, root] = listOf(slot)
    return { committer: hexOf(committer), time: timeOf(time), root: hexOf(root) }
  }
  return [timeOf(epoch), { at: timeOf(at), slots: slots === null ? undefined : listOf(slots).map(read) }]
}

function rosterOf(entry: unknown): Roster {
  const [latestActivation, operators] = listOf(entry)
  return {
    latestActivation: latestActivation === NEVER ? Infinity : timeOf(latestActivation),
    operators: listOf(operators).map((each): Operator => {
      const { proposer, sequencer, activeSince } = objectOf(each)
      return { proposer: hexOf(proposer), sequencer: hexOf(sequencer), activeSince: timeOf(activeSince) }
    }),
  }
}

function entryOf<T>(entry: unknown, read: (value: unknown) => T): Entry<T> {
  const [from, value] = listOf(entry)
  return { from: timeOf(from), value: read(value) }
}

const damaged = (): ScheduleError => new ScheduleError('bad_response', 'what was kept of L1 is damaged')

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw damaged()
  return value as Record<string, unknown>
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged()
  return value as readonly unknown[]
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw damaged()
  return value
}

function hexOf(value: unknown): Hex {
  if (typeof value !== 'string' || !/^0x[0-9a-f]*$/.test(value)) throw damaged()
  return value as Hex
}

function timeOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw damaged()
  return value
}
