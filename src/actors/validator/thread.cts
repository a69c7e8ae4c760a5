import threads = require('node:worker_threads')
import type { WorkerData } from './serve.js' with { 'resolution-mode': 'import' }

/**
 * The door to a validator thread's module for Piscina, which calls `require` before `import`. Since Node 20.19 `require` takes ES
 * modules too, and a thread that is ended while it does ends the whole process: "v8::Module::IsGraphAsync must be used on an
 * instantiated module". One that is ended within `import` does not.
 */
const entry = import((threads.workerData as WorkerData).entry) as Promise<Record<'greet' | 'check', unknown>>

export = {
  greet: entry.then(({ greet }) => greet),
  check: entry.then(({ check }) => check),
}
