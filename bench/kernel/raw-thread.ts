import { parentPort } from 'node:worker_threads'
import type { Load } from './thread-subject.js'

let sum = 0
parentPort!.on('message', (load: Load | Uint8Array | { readonly type: 'echo'; readonly id: number; readonly n: number }) => {
  if (load instanceof Uint8Array) sum += load[0]!
  else if (load.type === 'add') sum += load.n
  else if (load.type === 'echo') parentPort!.postMessage({ id: 'id' in load ? load.id : 0, n: load.n + 0 * sum })
  else sum += load.bytes[0]!
})
