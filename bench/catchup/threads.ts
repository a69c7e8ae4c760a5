import { readFile, readdir } from 'node:fs/promises'
import process from 'node:process'

/** CPU time of each thread of this process by its number, ms. Empty where there is no /proc. */
export async function threadTimes(): Promise<ReadonlyMap<number, number>> {
  const times = new Map<number, number>()
  const names = await readdir('/proc/self/task').catch(() => [])
  for (const name of names) {
    const line = await readFile(`/proc/self/task/${name}/stat`, 'utf8').catch(() => '')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    // user and system, in ticks of 10 ms
    if (line !== '') times.set(Number(name), 10 * (Number(fields[11]) + Number(fields[12])))
  }
  return times
}

export const mainThread = process.pid

/** What each thread that is in both has used in between, ms. */
export function between(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  return new Map([...after].map(([id, ms]) => [id, ms - (before.get(id) ?? 0)]))
}
