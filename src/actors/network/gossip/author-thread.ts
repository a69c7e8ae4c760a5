/** The thread in which authors' signatures are verified, a batch at a time. It starts in a few milliseconds: it loads nothing but Node. */
import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { nativeKey, unpackSigned } from './author-batch.js'

/** Keys that are kept; all go when there are more. */
const KEYS = 256
/** Where cores are scarce the main thread goes first, as before the validator's threads. */
const NICE = 3

const keys = new Map<string, KeyObject>()

function keyOf(raw: Uint8Array): KeyObject {
  const name = Buffer.from(raw).toString('latin1')
  const known = keys.get(name)
  if (known !== undefined) return known
  if (keys.size >= KEYS) keys.clear()
  const key = nativeKey(raw)
  keys.set(name, key)
  return key
}

// of this thread alone; elsewhere it would count for the whole process
if (process.platform === 'linux') {
  try { setPriority(NICE) } catch { /* not allowed: as it is */ }
}

parentPort?.on('message', (batch: ArrayBuffer) => {
  const answers = Uint8Array.from(unpackSigned(batch), ({ key, signature, bytes }) => verify(null, bytes, keyOf(key), signature) ? 1 : 0)
  parentPort?.postMessage(answers.buffer, [answers.buffer])
})
