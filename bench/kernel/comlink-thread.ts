import { parentPort } from 'node:worker_threads'
import { expose } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import type { Adder } from './thread-subject.js'

let sum = 0
const adder: Adder = {
  add(load) { sum += load.type === 'add' || load.type === 'echo' ? load.n : load.bytes[0]! },
  echo: n => n + 0 * sum,
}
expose(adder, nodeEndpoint(parentPort as never))
