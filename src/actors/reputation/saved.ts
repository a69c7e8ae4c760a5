import { checkPeer, parseRule } from './address-rules.js'
import type { BanRecord } from './bans.js'
import type { Kept, Section } from './book.js'

/** The names in the store: of a section, and of the copy of its damaged value. */
export const nameOf = (section: Section): string => `reputation/${section}`
export const damagedNameOf = (section: Section): string => `reputation/${section}/damaged`

export const NOTHING_KEPT: Kept = {
  bans: [],
  lists: { blocked: [], protected: [], withdrawn: { blocked: [], protected: [] } },
  scores: { at: 0, scores: [] },
}

const VERSION = 1

/** A section as text for the store. `withdrawn` is left out: removed entries of the configuration return at the next start. */
export function encode(section: Section, kept: Kept): string {
  switch (section) {
    case 'bans': return JSON.stringify({ version: VERSION, bans: kept.bans })
    case 'lists': return JSON.stringify({ version: VERSION, blocked: kept.lists.blocked, protected: kept.lists.protected })
    case 'scores': return JSON.stringify({ version: VERSION, ...kept.scores })
  }
}

/** The entries decoded from a text, and the number of those that were damaged. */
export interface Decoded<S extends Section> {
  readonly value: Kept[S]
  readonly lost: number | 'all'
}

/** Decodes a saved section; never throws. Damaged entries are skipped and counted. If the text is malformed as a whole, `lost` is `all`. */
export function decode<S extends Section>(section: S, text: string): Decoded<S> {
  const saved = parsed(text)
  if (saved === undefined) return { value: NOTHING_KEPT[section], lost: 'all' }
  return decoders[section](saved)
}

type Decoders = { readonly [S in Section]: (saved: Record<string, unknown>) => Decoded<S> }

const decoders: Decoders = {
  bans(saved) {
    const { value, lost } = entries(saved['bans'], banOf)
    return { value, lost }
  },
  lists(saved) {
    const blocked = entries(saved['blocked'], rule => checked(rule, parseRule))
    const peers = entries(saved['protected'], peer => checked(peer, checkPeer))
    const lost = blocked.lost === 'all' || peers.lost === 'all' ? 'all' : blocked.lost + peers.lost
    return { value: { ...NOTHING_KEPT.lists, blocked: blocked.value, protected: peers.value }, lost }
  },
  scores(saved) {
    const { at } = saved
    if (!isTime(at)) return { value: NOTHING_KEPT.scores, lost: 'all' }
    const { value, lost } = entries(saved['scores'], scoreOf)
    return { value: { at, scores: value }, lost }
  },
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) && value['version'] === VERSION ? value : undefined
  } catch {
    return undefined
  }
}

function entries<T>(from: unknown, read: (entry: unknown) => T | undefined): { readonly value: readonly T[]; readonly lost: number | 'all' } {
  if (!Array.isArray(from)) return { value: [], lost: 'all' }
  const value = from.map(read).filter(entry => entry !== undefined)
  return { value, lost: from.length - value.length }
}

function banOf(entry: unknown): BanRecord | undefined {
  if (!isObject(entry)) return undefined
  const { keys, peers, reason, by, forMs, until } = entry
  if (!areTexts(keys) || !areTexts(peers) || typeof reason !== 'string' || (by !== 'score' && by !== 'operator')) return undefined
  if (!isTime(forMs) || !isTime(until)) return undefined
  return { keys, peers, reason, by, forMs, until }
}

function scoreOf(entry: unknown): Kept['scores']['scores'][number] | undefined {
  if (!isObject(entry)) return undefined
  const { key, peer, reputation } = entry
  return typeof key === 'string' && typeof peer === 'string' && typeof reputation === 'number' ? { key, peer, reputation } : undefined
}

function checked(entry: unknown, check: (text: string) => unknown): string | undefined {
  if (typeof entry !== 'string') return undefined
  try {
    check(entry)
    return entry
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0
const areTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every(each => typeof each === 'string' && each.length > 0)
