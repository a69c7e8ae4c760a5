import { readFileSync, readdirSync } from 'node:fs'

const TASKS = '/proc/self/task'

/** For each thread of this process: how long it has stood ready and waited for a processor, ms. Empty where the system does not tell. */
function waits(): Map<string, number> {
  const found = new Map<string, number>()
  try {
    for (const thread of readdirSync(TASKS)) found.set(thread, Number(readFileSync(`${TASKS}/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6)
  } catch {
    // Not Linux, or a thread has just ended.
  }
  return found
}

/**
 * Measures a piece of work on a busy machine: how long it took, and how much of that it only waited for a processor. Of the threads the first
 * is counted, and the one of the others that waited longest: never more than was waited in all, as those two take turns.
 */
export async function measured<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number; readonly waited: number }> {
  const before = waits()
  const begun = performance.now()
  const value = await work()
  const ms = performance.now() - begun
  const main = String(process.pid)
  let [first, longest] = [0, 0]
  for (const [thread, total] of waits()) {
    const waited = total - (before.get(thread) ?? 0)
    if (thread === main) first = waited
    else longest = Math.max(longest, waited)
  }
  return { value, ms, waited: Math.min(ms, first + longest) }
}
