/** A process that does nothing: how late its loop is, is the machine's doing. Started by `idleDelay`. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { loopDelay } from '../harness.js'

/** How late the loop of a process without any work is while `work` runs, p99 in ms: what no program on this machine is better than. */
export async function idleDelay<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly p99Ms: number }> {
  const child = fork(fileURLToPath(import.meta.url), ['bystander'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  const value = await work()
  const answer = once(child, 'message') as Promise<[number]>
  child.send('enough')
  const [p99Ms] = await answer
  return { value, p99Ms }
}

if (process.argv[2] === 'bystander' && process.send !== undefined) {
  const enough = once(process, 'message')
  process.send('ready')
  const { p99Ms } = await loopDelay(() => enough)
  process.send(p99Ms, () => { process.disconnect() })
}
