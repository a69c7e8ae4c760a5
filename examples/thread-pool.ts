import { seconds, supervisor, threadActor } from 'preconfirmation-p2p/kernel'
import { hashBoundary, hashMailbox } from './hashing.js'

const hashActor = () => threadActor({
  name: 'hashing', module: new URL('./hashing.js', import.meta.url), export: 'hashing', mailbox: hashMailbox, boundary: hashBoundary,
  params: { algorithm: 'sha256' }, ports: {}, resourceLimits: { maxOldGenerationSizeMb: 64 },
})

const app = supervisor('app', { onEvent: event => { if (event.type === 'failed') console.log('failed', event.path, String(event.error)) } })
const hashes = app.pool('hashes', { size: 3, make: hashActor, child: { backoff: { firstMs: 1, maxMs: 1, factor: 1, jitter: 0 } } })
await app.start()

const texts = Array.from({ length: 12 }, (_, n) => new TextEncoder().encode(`text ${n}`))
const [first] = await Promise.all(texts.map(bytes => hashes.ask('hash', { bytes }, seconds(5))))
console.log(first!.slice(0, 16))
const { children } = app.describe().children[0] as { readonly children: readonly { readonly handled: number }[] }
console.log('handled by each', children.map(({ handled }) => handled).join(' '))

await hashes.ask('hash', { bytes: new Uint8Array(0) }, seconds(5)).catch((error: unknown) => { console.log('the asker:', (error as Error).message) })
const again = await Promise.all(texts.map(bytes => hashes.ask('hash', { bytes }, seconds(5)))) // by those that run, and by the one that is started again
console.log('all again', again.length)
await app.stop()
