import { generateKeyPairSync, sign } from 'node:crypto'
import type { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import fc from 'fast-check'
import { ClosedError, CrashedError, DroppedError, InterruptedError, silentLogger, supervisor } from '../../src/actors/kernel/index.js'
import { echoEvery, withSamples } from '../../src/actors/kernel/testing/index.js'
import { packSigned, unpackSigned } from '../../src/actors/network/gossip/author-batch.js'
import type { Signed } from '../../src/actors/network/gossip/author-batch.js'
import { AUTHORS_RESTARTS, authorActor, authorBoundary } from '../../src/actors/network/gossip/author-ingress.js'
import { AuthorVerifier } from '../../src/actors/network/gossip/author-verifier.js'
import type { Authors, Claim } from '../../src/actors/network/gossip/author-verifier.js'
import { until } from '../support/until.js'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const key = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))

function claim(text: string, forged = false): Claim {
  const bytes = Buffer.from(text)
  const signature = new Uint8Array(sign(null, bytes, privateKey))
  if (forged) signature[40]! ^= 1
  return { bytes, key, native: publicKey, signature }
}

/** An actor that answers when and what the test says. */
class FakeAuthors {
  readonly batches: { readonly claims: readonly Signed[]; readonly resolve: (answers: Uint8Array) => void; readonly reject: (error: unknown) => void }[] = []
  ask(_type: 'verify', { claims }: { readonly claims: readonly Signed[] }): Promise<Uint8Array> {
    return new Promise((resolve, reject) => { this.batches.push({ claims, resolve, reject }) })
  }
  async answer(...answers: readonly number[]): Promise<void> { this.batches.shift()!.resolve(Uint8Array.from(answers)); await turn() }
  async fail(error: unknown): Promise<void> { this.batches.shift()!.reject(error); await turn() }
}

const turn = async (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

function faked(threadAfter = 0): { readonly verifier: AuthorVerifier; readonly authors: FakeAuthors; readonly starts: () => number } {
  const authors = new FakeAuthors()
  let starts = 0
  const verifier = new AuthorVerifier(() => { starts++; return authors as Authors }, threadAfter)
  return { verifier, authors, starts: () => starts }
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

  it('K61 what crosses arrives as it was sent', async () => {
    const { key: author, signature, bytes } = claim('a')
    expect(await echoEvery(withSamples(authorBoundary, {
      params: () => undefined, verify: () => ({ type: 'verify', claims: [{ key: author, signature, bytes: new Uint8Array(bytes) }] }), 'verify.reply': () => new Uint8Array([0, 1]),
    }))).to.have.length(3)
  })

  it('the thread tells the authentic from the forged, in their order; when it has ended it is started again, and used again', async () => {
    const root = supervisor('test', { log: silentLogger })
    await root.start()
    const workers: Worker[] = []
    const onWorker = (worker: Worker): void => { workers.push(worker) }
    process.on('worker', onWorker)
    try {
      let asks = 0
      const verifier = new AuthorVerifier(() => {
        const ref = root.child('authors', authorActor, { ...AUTHORS_RESTARTS, backoff: { firstMs: 1, maxMs: 1, factor: 1, jitter: 0 } })
        return { ask: async (type, body, within) => { const answers = await ref.ask(type, body, within); if (body.claims.length > 0) asks++; return answers } }
      }, 4)
      const right = async (text: string, count: number): Promise<void> => {
        const claims = Array.from({ length: count }, (_, n) => claim(`${text} ${n}`, n % 3 === 0))
        expect(await Promise.all(claims.map(async each => verifier.verify(each)))).to.deep.equal(claims.map((_, n) => n % 3 !== 0))
      }
      for (let life = 1; life <= 3; life++) {
        asks = 0
        await until(async () => { await right(`life ${life}`, 10); return asks > 0 }, `it is used in life ${life}`)
        await right(`all of life ${life}`, 100)
        const ending = right(`at the end of life ${life}`, 100)
        await workers.at(-1)!.terminate()
        await ending
        await until(() => workers.length === life + 1, 'the next one')
      }
    } finally {
      process.off('worker', onWorker)
      await root.stop()
    }
  })

  it('starts no thread for few messages', async () => {
    const { verifier, starts } = faked(3)
    for (let n = 0; n < 3; n++) expect(await verifier.verify(claim(`${n}`))).to.equal(true)
    expect(starts()).to.equal(0)
    expect(await verifier.verify(claim('one more'))).to.equal(true)
    expect(starts()).to.equal(1)
  })

  it('what comes in one turn goes together, 32 at most; what is large goes elsewhere', async () => {
    const { verifier, authors } = faked()
    expect(await verifier.verify(claim('starts it'))).to.equal(true)
    await authors.answer()
    const answers = Array.from({ length: 40 }, async (_, n) => verifier.verify(claim(`${n}`)))
    expect(await verifier.verify(claim('x'.repeat(5_000)))).to.equal(true)
    await turn()
    expect(authors.batches.map(({ claims }) => claims.length)).to.deep.equal([32, 8])
    await authors.answer(...Array.from({ length: 32 }, (_, n) => n % 2))
    await authors.answer(1, 1, 1, 1, 0, 1, 1)
    // the last one has no answer: not authentic, and gossipsub looks again
    expect((await Promise.all(answers)).map(Number)).to.deep.equal([...Array.from({ length: 32 }, (_, n) => n % 2), 1, 1, 1, 1, 0, 1, 1, 0])
  })

  it('one that fails leaves nobody without an answer, and is used again once it has answered again', async () => {
    const { verifier, authors, starts } = faked()
    await verifier.verify(claim('starts it'))
    await authors.answer()
    const sent = [claim('sent'), claim('forged', true)].map(async each => verifier.verify(each))
    await turn()
    await authors.fail(new CrashedError('authors', new Error('gone')))
    expect(await Promise.all(sent)).to.deep.equal([true, false])
    expect(await verifier.verify(claim('meanwhile'))).to.equal(true)
    expect(authors.batches.map(({ claims }) => claims.length), 'only the question whether it is there').to.deep.equal([0])
    await authors.fail(new InterruptedError('authors'))
    await authors.answer()
    const later = verifier.verify(claim('later'))
    await turn()
    await authors.answer(1)
    expect(await later).to.equal(true)
    expect(starts()).to.equal(1)
  })

  it('one that has too much is done without for that batch; one that has ended, for good', async () => {
    const { verifier, authors } = faked()
    await verifier.verify(claim('starts it'))
    await authors.answer()
    const dropped = verifier.verify(claim('dropped'))
    await turn()
    await authors.fail(new DroppedError('authors', 'rejected'))
    expect(await dropped).to.equal(true)
    const last = verifier.verify(claim('last', true))
    await turn()
    await authors.fail(new ClosedError('authors'))
    expect(await last).to.equal(false)
    await authors.fail(new ClosedError('authors'))
    expect(await verifier.verify(claim('after the end'))).to.equal(true)
    expect(authors.batches).to.deep.equal([])
  })

  it('a thread that cannot be had is done without', async () => {
    const verifier = new AuthorVerifier(() => { throw new ClosedError('network') }, 0)
    for (let n = 0; n < 3; n++) expect(await verifier.verify(claim(`${n}`))).to.equal(true)
  })
})
