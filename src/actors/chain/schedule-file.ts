import { readFile, stat } from 'node:fs/promises'
import { textOf } from '../../protocol/text-of.js'
import { ChainError } from './errors.js'
import { scheduleFromTable } from './schedule.js'
import type { ScheduleEntry, ScheduleResolver, Slots } from './schedule.js'

/** A schedule from a file. */
export interface FileSchedule extends ScheduleResolver {
  /** Reads the file now, changed or not, and has every answer that was given asked for again. @throws ChainError: what was read before holds on */
  readonly reload: () => Promise<void>
}

/** Later than every window (SPEC §3). */
const END_OF_TIME = 2n ** 256n - 1n

/**
 * A schedule from a JSON file, read again when it has changed:
 *
 *     { "slots": { "genesis": "1606824023", "seconds": 12 }, "windows": [{ "from": "1800000000", "signer": "0x…" }] }
 *
 * `slots` may be left out, and a plain list of windows is a schedule too; integers are decimal strings or numbers; `signer` may be a list.
 * A file that becomes unreadable or wrong later makes lookups fail, which is never held against a peer (SPEC §6); it is tried again.
 * @throws ChainError `schedule_unreadable`, `bad_schedule` where the file is bad at the start
 */
export async function scheduleFromFile(path: string): Promise<FileSchedule> {
  let loaded = await load(path)
  let loading: Promise<void> | undefined
  const listeners = new Set<(from: bigint, to: bigint) => void>()
  const readIfChanged = async (): Promise<void> => {
    if (await changedAt(path) !== loaded.changedAt) loaded = await load(path)
  }
  const current = async (): Promise<ScheduleResolver> => {
    loading ??= readIfChanged().finally(() => { loading = undefined })
    await loading
    return loaded.resolver
  }
  const resolve: ScheduleResolver = async (window, options) => (await current())(window, options)
  return Object.assign(resolve, {
    upcoming: async (now: bigint) => await (await current()).upcoming?.(now) ?? [],
    subscribe(changed: (from: bigint, to: bigint) => void, { signal }: { readonly signal: AbortSignal }) {
      listeners.add(changed)
      signal.addEventListener('abort', () => { listeners.delete(changed) }, { once: true })
    },
    async reload() {
      loaded = await load(path)
      for (const changed of listeners) changed(0n, END_OF_TIME)
    },
  })
}

async function changedAt(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path)
    return `${mtimeMs}:${size}:${ino}`
  } catch (error) {
    throw new ChainError('schedule_unreadable', `the schedule's file cannot be read: ${path}`, path, undefined, { cause: error })
  }
}

async function load(path: string): Promise<{ readonly changedAt: string; readonly resolver: ScheduleResolver }> {
  const at = await changedAt(path)
  let text: string
  try {
    text = textOf(await readFile(path))
  } catch (error) {
    throw new ChainError('schedule_unreadable', `the schedule's file cannot be read: ${path}`, path, undefined, { cause: error })
  }
  return { changedAt: at, resolver: parseSchedule(text, path) }
}

/** A schedule of its JSON text. @throws ChainError `bad_schedule` */
export function parseSchedule(text: string, path = 'the schedule'): ScheduleResolver {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new ChainError('bad_schedule', `${path} is not JSON`, path, undefined, { cause: error })
  }
  const { windows, slots } = Array.isArray(parsed) ? { windows: parsed as unknown[], slots: undefined } : record(parsed, path)
  if (!Array.isArray(windows)) throw new ChainError('bad_schedule', `${path}: \`windows\` is a list`, windows)
  return scheduleFromTable(windows.map((entry: unknown) => entryOf(entry, path)), slots === undefined ? {} : { slots: slotsOf(slots, path) })
}

function entryOf(entry: unknown, path: string): ScheduleEntry {
  const { from, signer } = record(entry, path)
  const signers: unknown[] = Array.isArray(signer) ? signer : [signer]
  if (!signers.every(each => typeof each === 'string')) throw new ChainError('bad_schedule', `${path}: \`signer\` is an address, or a list of them`, entry)
  return { from: integer(from, path), signer: signers }
}

function slotsOf(slots: unknown, path: string): Slots {
  const { genesis, seconds } = record(slots, path)
  return { genesis: integer(genesis, path), seconds: integer(seconds, path) }
}

function record(value: unknown, path: string): Readonly<Record<'windows' | 'slots' | 'from' | 'signer' | 'genesis' | 'seconds', unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ChainError('bad_schedule', `${path}: expected an object`, value)
  return value as Readonly<Record<'windows' | 'slots' | 'from' | 'signer' | 'genesis' | 'seconds', unknown>>
}

function integer(value: unknown, path: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value === 'string' && /^\d{1,78}$/.test(value)) return BigInt(value)
  throw new ChainError('bad_schedule', `${path}: expected an integer, as a decimal string where it is large`, value)
}
