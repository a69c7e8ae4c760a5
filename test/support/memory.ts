import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { until } from './until.js'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes that this thread holds, buffers included, after a collection. */
export function memoryUsed(): number {
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Waits until no more than `moreMiB` above `before` are held. Looks now and then: each look is a whole collection. */
export async function memoryBack(before: number, moreMiB = 32): Promise<void> {
  await until(() => memoryUsed() < before + moreMiB * 1024 * 1024, 'memory back at its baseline', undefined, 500)
}
