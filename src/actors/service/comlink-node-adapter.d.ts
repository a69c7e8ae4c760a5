/** Comlink ships types for its browser half only: the adapter for worker_threads comes as .mjs without a declaration. */
declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { MessagePort, Worker } from 'node:worker_threads'
  import type { Endpoint } from 'comlink'
  export default function nodeEndpoint(port: MessagePort | Worker): Endpoint
}

/** The same as `comlink`, which in Node is its UMD form: `import` would search that for what it exports, 3 ms in each thread. */
declare module 'comlink/dist/esm/comlink.mjs' {
  export * from 'comlink'
}
