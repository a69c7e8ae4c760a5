/** A part of the application in a thread of its own: `used-from-a-thread.ts` starts it. */
import { workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { connectService } from 'preconfirmation-p2p'

const service = connectService((workerData as { readonly port: MessagePort }).port)
console.log('peers', await service.peerCount())
for await (const event of service.subscribe()) {
  if (event.type !== 'published') continue
  console.log('published', event.topic)
  break
}
await service.addBootnode('enr:-nobody').catch((error: unknown) => { console.log('refused:', (error as { readonly code?: string }).code) })
service.close()
