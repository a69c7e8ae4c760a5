import threads = require('node:worker_threads')
import type { WorkerData } from './serve.js' with { 'resolution-mode': 'import' }

/**
 * Loads a validator thread's module for Piscina, which tries `require` before `import`. Since Node 20.19 `require` loads ES modules too, and
 * terminating a thread while it does aborts the whole process: "v8::Module::IsGraphAsync must be used on an instantiated module". Terminating
 * it during `import` does not.
 */
const entry = import((threads.workerData as WorkerData).entry) as Promise<Record<'greet' | 'check', unknown>>

export = {
  greet: entry.then(({ greet }) => greet),
  check: entry.then(({ check }) => check),
}
