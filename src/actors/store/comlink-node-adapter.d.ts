/** Comlink ships types for its browser half only: the adapter for worker_threads comes as .mjs without a declaration. */
declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { MessagePort, Worker } from 'node:worker_threads'
  import type { Endpoint } from 'comlink'
  export default function nodeEndpoint(port: MessagePort | Worker): Endpoint
}
