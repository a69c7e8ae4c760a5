import { expect } from 'chai'
import { ClosedError } from '../../src/actors/kernel/index.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { Publishing } from '../../src/actors/service/publishing.js'
import { DEFAULT_DOMAIN, SignedCommitmentCodec, loadCrypto, signerFromKey } from '../../src/protocol/index.js'
import type { AddressedSigner, PreconfCommitment } from '../../src/protocol/index.js'
import { ChainMaker, KEY, SIGNER } from '../support/nodes.js'

const never = new Promise<never>(() => undefined)
const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(() => { throw new Error('did not fail') }, (error: unknown) => error)
const ticks = () => new Promise<void>(resolve => { setImmediate(resolve) })

/** What stands behind is mocked: chain reserves at once, the publisher counts. */
async function rig({ signer = signerFromKey(KEY), publish = async () => ({}) }: { signer?: AddressedSigner; publish?: () => Promise<unknown> } = {}) {
  const clock = new ManualClock()
  const closing = new AbortController()
  const published: Uint8Array[] = []
  const reserved: unknown[] = []
  const publishing = new Publishing({
    clock, signer, gate: undefined, crypto: await loadCrypto(), domain: DEFAULT_DOMAIN, windowHorizon: 3_600_000, closing: closing.signal,
    chain: { reserve: async (what: unknown) => { reserved.push(what) } },
    publisher: { publish: (_topic: unknown, bytes: Uint8Array) => { published.push(bytes); return publish() } } as never,
  })
  const windowEnd = BigInt(Math.floor(clock.now() / 1_000) + 5)
  const { commitment } = (await ChainMaker.create(windowEnd)).block()
  return { clock, closing, published, reserved, publishing, commitment }
}

describe('before a message is published', () => {
  it('what is no message is `bad_message`, whatever it is', async () => {
    const { publishing, published, reserved } = await rig()
    for (const bad of [{}, { signature: new Uint8Array(65) }, null, undefined, 'text', new Uint8Array(381), { preconf: {} }]) {
      expect(await failure(publishing.commitment(bad as never, {})), String(bad)).to.include({ code: 'bad_message' })
    }
    for (const bad of [undefined, 'text', new Uint8Array(0), new Uint8Array(2 * 1024 ** 2 + 1)]) {
      expect(await failure(publishing.txList(bad as never, {}))).to.include({ code: 'bad_message' })
    }
    expect([published, reserved]).to.deep.equal([[], []])
  })

  it('a window that is over is not signed for, `late` overrides', async () => {
    const { publishing, clock, commitment, published, reserved } = await rig()
    clock.advance(6_000)
    expect(await failure(publishing.commitment(commitment, {}))).to.include({ code: 'window_over' })
    expect(reserved).to.deep.equal([])
    await publishing.commitment(commitment, { late: true })
    expect(published).to.have.length(1)
  })

  it('H45 H46 a height or a window out of reach is an error before anything is signed', async () => {
    const { publishing, clock, commitment, published, reserved } = await rig({ signer: Object.assign(async () => { throw new Error('asked to sign') }, { address: SIGNER }) })
    const now = BigInt(Math.floor(clock.now() / 1_000))
    const of = (fields: Partial<PreconfCommitment['preconf']>) => ({ ...commitment, preconf: { ...commitment.preconf, ...fields } })
    for (const options of [{}, { late: true }]) {
      for (const blockNumber of [2n ** 64n - 1n, 2n ** 200n, 2n ** 256n - 1n]) {
        expect(await failure(publishing.commitment(of({ blockNumber }), options))).to.include({ code: 'height_out_of_range', value: blockNumber, limit: 2n ** 64n - 2n })
      }
      for (const submissionWindowEnd of [now + 3_601n, 2n ** 64n, 2n ** 256n - 1n]) {
        expect(await failure(publishing.commitment(of({ submissionWindowEnd }), options))).to.include({ code: 'window_too_far', value: submissionWindowEnd, limit: now + 3_600n })
      }
      const signed = SignedCommitmentCodec.encode({ commitment: of({ blockNumber: 2n ** 64n - 1n }), signature: new Uint8Array(65) })
      expect(await failure(publishing.commitment(signed, options))).to.include({ code: 'height_out_of_range' })
    }
    expect([published, reserved]).to.deep.equal([[], []])
    for (const fields of [{ blockNumber: 2n ** 64n - 2n }, { submissionWindowEnd: now + 3_600n }]) {
      expect(await failure(publishing.commitment(of(fields), {}))).to.include({ code: 'signing_failed' })
    }
  })

  it('a window that ends while the signer thinks is over too', async () => {
    const key = signerFromKey(KEY)
    let release!: () => void
    const thinking = new Promise<void>(resolve => { release = resolve })
    const { publishing, clock, commitment, published } = await rig({ signer: Object.assign(async (digest: Uint8Array) => { await thinking; return key(digest) }, { address: SIGNER }) })
    const failing = failure(publishing.commitment(commitment, {}))
    await ticks()
    clock.advance(6_000)
    release()
    expect(await failing).to.include({ code: 'window_over' })
    expect(published).to.have.length(0)
  })

  it('a signer that never answers is given up, at the deadline, at the signal and at stop', async () => {
    const { publishing, clock, closing, commitment } = await rig({ signer: Object.assign(() => never, { address: SIGNER }) })
    const late = failure(publishing.commitment(commitment, {}))
    await ticks()
    clock.advance(10_000)
    expect(await late).to.include({ code: 'signing_failed', value: 10_000 })
    const caller = new AbortController()
    const left = failure(publishing.commitment(commitment, { late: true, signal: caller.signal }))
    await ticks()
    caller.abort()
    expect(await left).to.include({ code: 'cancelled' })
    const stopping = failure(publishing.commitment(commitment, { late: true }))
    await ticks()
    closing.abort()
    expect(await stopping).to.include({ code: 'stopped' })
    expect(clock.pending).to.equal(0)
  })

  it('what the caller changes while it is signed does not get out', async () => {
    const { publishing, commitment, published } = await rig()
    const mine = { ...commitment, preconf: { ...commitment.preconf } } as { -readonly [K in keyof PreconfCommitment]: PreconfCommitment[K] }
    const under = publishing.commitment(mine, {})
    mine.preconf = { ...mine.preconf, blockNumber: 5n }
    await under
    await publishing.commitment(commitment, {})
    expect(published[0]).to.deep.equal(published[1])
  })

  it('a publisher that is closed because the node stops is `stopped`; otherwise its own error is told', async () => {
    const { publishing, closing } = await rig({ publish: async () => { throw new ClosedError('p2p/publisher') } })
    expect(await failure(publishing.txList(Uint8Array.of(1), {}))).to.include({ code: 'closed', value: 'p2p/publisher' })
    const racing = failure(publishing.txList(Uint8Array.of(1), {}))
    closing.abort()
    expect(await racing).to.include({ code: 'stopped' })
  })
})
