/**
 * The entry of a validator thread; runs as JavaScript only. Piscina calls the exports by name and waits for their promises, so
 * the libraries are loaded once, before the first task. What runs here imports the protocol file by file: its index brings SSZ
 * along, which no thread needs and which would double its start.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { loadCrypto } from '../../protocol/crypto.js'
import { BatchThread } from './batch-thread.js'
import { serve } from './serve.js'
import type { BatchAlarm, WorkerData } from './serve.js'

const RANGE = 2 ** 32
const drawn = new Uint32Array(256)
let next = drawn.length

/** Random bytes from `globalThis.crypto`, which is loaded on first use; importing `node:crypto` would load it at every start of a thread. */
function random(): number {
  if (next === drawn.length) {
    globalThis.crypto.getRandomValues(drawn)
    next = 0
  }
  return drawn[next++]! / RANGE
}

const { rules, crypto, batch, board } = workerData as WorkerData
const loading = loadCrypto(crypto)
const together = BatchThread.load(loading, {
  rules, settings: batch, board, random,
  alarm: evidence => { parentPort?.postMessage({ type: 'batchAlarm', evidence } satisfies BatchAlarm) },
})

export const { greet, check } = serve(rules, loading, together)
