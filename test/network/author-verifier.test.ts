import { EventEmitter } from 'node:events'
import { generateKeyPairSync, sign } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import fc from 'fast-check'
import { packSigned, unpackSigned } from '../../src/actors/network/gossip/author-batch.js'
import { AuthorVerifier } from '../../src/actors/network/gossip/author-verifier.js'
import type { AuthorThread, Claim } from '../../src/actors/network/gossip/author-verifier.js'
import { until } from '../support/until.js'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const key = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))

function claim(text: string, forged = false): Claim {
  const bytes = Buffer.from(text)
  const signature = new Uint8Array(sign(null, bytes, privateKey))
  if (forged) signature[40]! ^= 1
  return { bytes, key, native: publicKey, signature }
}

/** A thread that answers when and what the test says. */
class FakeThread extends EventEmitter {
  readonly batches: ArrayBuffer[] = []
  terminated = 0
  postMessage(batch: ArrayBuffer): void { this.batches.push(batch) }
  unref(): void { /* nothing to let go of */ }
  async terminate(): Promise<number> { this.terminated++; return Promise.resolve(0) }
  answer(...answers: readonly number[]): void { this.batches.shift(); this.emit('message', Uint8Array.from(answers).buffer) }
}

const turn = async (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

function faked(threadAfter = 0): { readonly verifier: AuthorVerifier; readonly thread: FakeThread; readonly starts: () => number } {
  const thread = new FakeThread()
  let starts = 0
  const verifier = new AuthorVerifier(() => { starts++; return thread as unknown as AuthorThread }, threadAfter)
  return { verifier, thread, starts: () => starts }
}

describe('network: verifier of authors', () => {
  it('a batch comes out as it went in', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    fc.assert(fc.property(fc.array(fc.record({ key: bytes(32), signature: bytes(64), bytes: fc.uint8Array({ maxLength: 600 }) }), { maxLength: 40 }), items => {
      expect(unpackSigned(packSigned(items))).to.deep.equal(items)
    }))
    const cut = packSigned([claim('a')]).slice(0, -1)
    expect(() => unpackSigned(cut)).to.throw(RangeError)
  })

  it('the thread tells the authentic from the forged, in their order, and ends with the node', async () => {
    const online = new Promise(resolve => { process.once('worker', (worker: Worker) => { worker.once('online', resolve) }) })
    const verifier = new AuthorVerifier(undefined, 4)
    // before it runs, while it starts, and after
    for (const wave of [3, 10, 40, 100]) {
      const claims = Array.from({ length: wave }, (_, n) => claim(`${wave} ${n}`, n % 3 === 0))
      expect(await Promise.all(claims.map(async each => verifier.verify(each)))).to.deep.equal(claims.map((_, n) => n % 3 !== 0))
      if (wave === 10) await online
    }
    await verifier.close()
    expect(await verifier.verify(claim('after the end'))).to.equal(true)
    expect(await verifier.verify(claim('after the end', true))).to.equal(false)
  })

  it('starts no thread for few messages', async () => {
    const { verifier, starts } = faked(3)
    for (let n = 0; n < 3; n++) expect(await verifier.verify(claim(`${n}`))).to.equal(true)
    expect(starts()).to.equal(0)
    expect(await verifier.verify(claim('one more'))).to.equal(true)
    expect(starts()).to.equal(1)
  })

  it('what comes in one turn goes together, 32 at most; what is large goes elsewhere', async () => {
    const { verifier, thread } = faked()
    expect(await verifier.verify(claim('starts it'))).to.equal(true)
    thread.emit('online')
    const answers = Array.from({ length: 40 }, async (_, n) => verifier.verify(claim(`${n}`)))
    expect(await verifier.verify(claim('x'.repeat(5_000)))).to.equal(true)
    await turn()
    expect(thread.batches.map(batch => unpackSigned(batch).length)).to.deep.equal([32, 8])
    thread.answer(...Array.from({ length: 32 }, (_, n) => n % 2))
    thread.answer(1, 1, 1, 1, 0, 1, 1)
    // the last one has no answer: not authentic, and gossipsub looks again
    expect((await Promise.all(answers)).map(Number)).to.deep.equal([...Array.from({ length: 32 }, (_, n) => n % 2), 1, 1, 1, 1, 0, 1, 1, 0])
  })

  for (const [title, end] of Object.entries<(thread: FakeThread, verifier: AuthorVerifier) => unknown>({
    'fails': thread => thread.emit('error', new Error('out of memory')),
    'ends': thread => thread.emit('exit', 1),
    'is closed': async (_thread, verifier) => verifier.close(),
  })) {
    it(`a thread that ${title} leaves nobody without an answer, and is not started again`, async () => {
      const { verifier, thread, starts } = faked()
      await verifier.verify(claim('starts it'))
      thread.emit('online')
      const sent = [claim('sent'), claim('forged', true)].map(async each => verifier.verify(each))
      await turn()
      const waiting = verifier.verify(claim('not yet sent'))
      end(thread, verifier)
      expect(await Promise.all([...sent, waiting])).to.deep.equal([true, false, true])
      expect(await verifier.verify(claim('later'))).to.equal(true)
      await turn()
      expect(starts()).to.equal(1)
      expect(thread.terminated).to.equal(title === 'is closed' ? 1 : 0)
    })
  }

  it('a thread that cannot be had is done without', async () => {
    let starts = 0
    const verifier = new AuthorVerifier(() => { starts++; throw new Error('no more threads') }, 0)
    for (let n = 0; n < 3; n++) expect(await verifier.verify(claim(`${n}`))).to.equal(true)
    expect(starts).to.equal(1)
    await verifier.close()
  })

  it('a thread that ends by itself while it works is done without', async () => {
    const ends = "require('node:worker_threads').parentPort.once('message', () => { process.exit(1) })"
    let ended = false
    const verifier = new AuthorVerifier(() => new Worker(ends, { eval: true }).once('exit', () => { ended = true }), 0)
    await until(async () => { expect(await verifier.verify(claim('goes on'))).to.equal(true); return ended }, 'its end')
    expect(await verifier.verify(claim('after it'))).to.equal(true)
    await verifier.close()
  })
})
