import type { Entry, LaneName } from './lanes.js'

/** What is in a worker's hands as one buffer. */
export interface Batch {
  readonly lane: LaneName
  readonly entries: readonly Entry[]
  /** Threads that died with these entries in hand. Above 0 they are suspects and run alone. */
  readonly deaths: number
}

/** Parts that a suspect is split into. A dead thread costs 100 to 200 ms, a run of a clean part few: so rather wide than deep. */
const PARTS = 8

/**
 * What becomes of a batch whose thread died: it is tried once more, then split until the killer is alone (H31).
 * Gives the batches to run again, or undefined where the only entry in it is the killer.
 */
export function afterDeath({ lane, entries, deaths }: Batch): readonly Batch[] | undefined {
  if (deaths === 0) return [{ lane, entries, deaths: 1 }]
  if (entries.length === 1) return undefined
  const size = Math.ceil(entries.length / PARTS)
  const parts: Batch[] = []
  for (let at = 0; at < entries.length; at += size) parts.push({ lane, entries: entries.slice(at, at + size), deaths: deaths + 1 })
  return parts
}
