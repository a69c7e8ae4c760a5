import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { checkCommitment, DEFAULT_DOMAIN, ProtocolError, RECORD_SIZE, type ProtocolErrorData } from '../../src/protocol/index.js'
import { crypto, signedBytes } from './fixtures.js'

/** What runs in the thread: the room alone, from its compiled files. */
const source = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.room).then(async (room) => {
    const crypto = await room.loadCrypto()
    const record = new Uint8Array(room.RECORD_SIZE)
    room.checkCommitment(workerData.bytes, { domain: room.DEFAULT_DOMAIN }, crypto, record)
    let error
    try { room.SignedCommitmentCodec.decode(workerData.bytes.subarray(1)) } catch (thrown) { error = thrown.toJSON() }
    parentPort.postMessage({ record, error, backend: crypto.recoverBackend })
  })
`

describe('protocol in a worker thread', () => {
  it('loads, judges as on the main thread, and its errors come back typed', async () => {
    const bytes = signedBytes()
    const room = new URL('../../src/protocol/index.js', import.meta.url).href
    const worker = new Worker(source, { eval: true, workerData: { room, bytes } })
    try {
      const answer = await new Promise<{ record: Uint8Array, error: ProtocolErrorData, backend: string }>((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      const record = new Uint8Array(RECORD_SIZE)
      checkCommitment(bytes, { domain: DEFAULT_DOMAIN }, crypto, record)
      expect(answer.record).to.deep.equal(record)
      expect(answer.backend).to.equal(crypto.recoverBackend)
      expect(ProtocolError.fromJSON(answer.error)).to.include({ code: 'invalid_size', value: 381, limit: 382 })
    } finally {
      await worker.terminate()
    }
  })
})
