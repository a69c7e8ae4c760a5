import { parentPort } from 'node:worker_threads'
import '../../src/actors/store/thread.js'

/** The database's thread, which stands still when it is asked for the meta `block`, and throws when for `throw`. */
parentPort?.on('message', (message: unknown) => {
  const text = JSON.stringify(message)
  if (text.includes('"block"')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  if (text.includes('"throw"')) throw new Error('out of the blue')
})
