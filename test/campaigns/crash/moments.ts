import type { Random } from '../../../src/actors/kernel/index.js'
import type { WriterProcess } from './writer-process.js'

/** Longest wait for a line that does not come, ms. */
const NO_LONGER = 4_000

/** Lines after which it is killed at once, so that what they claim is put to the test. */
const CLAIMS = ['stored', 'signed', 'published', 'item', 'saved'] as const

/**
 * Chooses when the writer is killed: right after one of its lines, or some time after it has begun, short times more often. Chosen before it
 * begins, so that no line is missed.
 */
export function chooseMoment(writer: WriterProcess, random: Random): () => Promise<void> {
  if (random() < 0.5) {
    const ms = random() ** 2 * 2_000
    return () => new Promise(resolve => { setTimeout(resolve, ms) })
  }
  const claim = CLAIMS[Math.floor(random() * CLAIMS.length)] ?? 'stored'
  let left = 1 + Math.floor(random() ** 2 * 80)
  const claimed = writer.report(([what]) => what === claim && --left <= 0)
  return async () => {
    let timer: NodeJS.Timeout | undefined
    await Promise.race([claimed, new Promise(resolve => { timer = setTimeout(resolve, NO_LONGER) })])
    clearTimeout(timer)
  }
}
