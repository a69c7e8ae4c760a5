import { MessageChannel, Worker } from 'node:worker_threads'
import { P2pService, exposeService, scheduleFromSigners, signerFromKey } from 'preconfirmation-p2p'

const key = '01'.repeat(32) // the preconfer's own key
const schedule = scheduleFromSigners([signerFromKey(key).address])
const service = await P2pService.start({ schedule, listen: '/ip4/127.0.0.1/tcp/0', discovery: false, signing: { key, unprotected: true } })

const { port1, port2 } = new MessageChannel()
exposeService(service, port1)
const worker = new Worker(new URL('./service-thread.js', import.meta.url), { workerData: { port: port2 }, transferList: [port2] })
const over = new Promise(resolve => { worker.once('exit', resolve) })

let published = 0
while (!await Promise.race([over.then(() => true), new Promise<false>(resolve => { setTimeout(resolve, 100, false) })])) {
  await service.publishTxList(new Uint8Array(1_000).fill(++published)) // until the thread has heard of one
}
await service.stop()
