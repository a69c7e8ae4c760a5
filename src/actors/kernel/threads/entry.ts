/** The entry of every actor's thread. */
import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { isBehaviour } from './behaviour.js'
import { Hints } from './hints.js'
import { ThreadHost, unstarted } from './host.js'
import type { ThreadData, ToThread } from './protocol.js'

const data = workerData as ThreadData
const port = parentPort!
/** What comes before the actor is there. */
const early: ToThread[] = []
let host: ThreadHost | undefined

// At once: what comes before there is a listener is lost.
port.on('message', (records: readonly ToThread[]) => { if (host === undefined) early.push(...records); else host.receive(records) })

if (data.sourceMaps) process.setSourceMapsEnabled(true)
// Of this thread alone; elsewhere than on Linux it would count for the whole process.
if (data.nice !== 0 && process.platform === 'linux') {
  try { setPriority(data.nice) } catch { /* not allowed: as it is */ }
}
const hints = new Hints(data.hints)
// eslint-disable-next-line no-restricted-globals -- before there is an actor
setInterval(() => { hints.tick() }, data.beatMs).unref()

try {
  const module = await import(data.module) as Readonly<Record<string, unknown>>
  const behaviour = module[data.export]
  if (!isBehaviour(behaviour)) throw new TypeError(`${data.module} exports no behaviour as ${data.export}`)
  host = new ThreadHost(data, port, behaviour)
  host.receive(early.splice(0))
  await host.start()
} catch (error) {
  port.postMessage(unstarted(error))
}
