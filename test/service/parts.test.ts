import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Broadcast, silentLogger } from '../../src/actors/kernel/index.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { RequestError } from '../../src/actors/network/index.js'
import { fillConfig } from '../../src/actors/service/config.js'
import type { P2pConfig } from '../../src/actors/service/config.js'
import { CatchUp } from '../../src/actors/service/catch-up.js'
import { handleAll, isSyncEvent, laneOf, weightOf } from '../../src/actors/service/events.js'
import type { NetworkEvent, P2pHandler } from '../../src/actors/service/events.js'
import { healthOf } from '../../src/actors/service/health.js'
import { checkRange, requestHead, requestTxList } from '../../src/actors/service/requests.js'
import { signerFrom } from '../../src/actors/service/signing.js'
import type { Tree } from '../../src/actors/service/tree.js'
import { Wake } from '../../src/actors/service/wake.js'
import type { SyncResult } from '../../src/actors/sync/ingress.js'
import { GetRawTxListResponseCodec, loadCrypto, txListHash } from '../../src/protocol/index.js'

const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(() => { throw new Error('did not fail') }, (error: unknown) => error)
const ticks = () => new Promise<void>(resolve => { setImmediate(() => { setImmediate(resolve) }) })
const restarted = { type: 'actorRestarted', actor: 'p2p/chain' } as const

describe('events', () => {
  it('H21: notices wait in a lane of their own', () => {
    expect(laneOf(restarted)).to.equal('notice')
    expect(laneOf({ type: 'published', topic: 'txLists', hash: new Uint8Array(32), recipients: 1 })).to.equal('data')
  })

  it('only what a remote can make large has a weight', () => {
    expect(weightOf(restarted)).to.equal(0)
    expect(weightOf({ type: 'txList', txList: new Uint8Array(700) } as unknown as NetworkEvent)).to.equal(700)
  })

  it('knows those of a catch-up', () => {
    expect(['syncStarted', 'syncDone', 'head', 'actorFailed'].map(type => isSyncEvent({ type }))).to.deep.equal([true, true, false, false])
  })
})

describe('a handler', () => {
  const events = async function * () { yield restarted; yield { type: 'lagged', count: 3, lane: 'data' } as const; yield restarted }
  const thrower = () => { throw new Error('handler') }

  it('gets every event, and `failed` what it throws', async () => {
    const seen: unknown[] = []
    const handler: P2pHandler = {
      actorRestarted: thrower, lagged: count => { seen.push(count) }, failed: (_error, { type }) => { seen.push(type) },
    }
    await handleAll(events(), handler, silentLogger)
    expect(seen).to.deep.equal(['actorRestarted', 3, 'actorRestarted'])
  })

  it('goes on when `failed` throws too, and the log is told', async () => {
    let logged = 0
    await handleAll(events(), { actorRestarted: thrower, failed: thrower, lagged: thrower }, { ...silentLogger, error: () => { logged++ } })
    expect(logged).to.equal(3)
  })
})

describe('a catch-up', () => {
  const started = { type: 'syncStarted', reason: 'asked', from: 1n } as const
  const result = {} as SyncResult

  it('gives its own events from the start on, then ends and leaves the node\'s', async () => {
    const all = new Broadcast<{ readonly type: string }>()
    let done!: (result: SyncResult) => void
    const catchUp = new CatchUp(new Promise(resolve => { done = resolve }), all.subscribe() as AsyncIterableIterator<{ readonly type: string }>)
    all.publish(started)
    all.publish({ type: 'head' })
    await ticks()
    const seen: string[] = []
    const reading = (async () => { for await (const { type } of catchUp) seen.push(type) })()
    all.publish({ type: 'syncDone' })
    done(result)
    await reading
    expect(await catchUp).to.equal(result)
    expect(seen).to.deep.equal(['syncStarted', 'syncDone'])
    expect(all.subscribers).to.equal(0)
  })

  it('whoever only follows it sees its end, not its rejection; whoever awaits it does', async () => {
    const all = new Broadcast<{ readonly type: string }>()
    const catchUp = new CatchUp(Promise.reject(new Error('no peer')), all.subscribe() as AsyncIterableIterator<{ readonly type: string }>)
    for await (const event of catchUp) expect.fail(event.type)
    expect(await failure(Promise.resolve(catchUp))).to.have.property('message', 'no peer')
    expect(all.subscribers).to.equal(0)
  })
})

describe('waiting for news', () => {
  it('ends with news, at once where they have come, at the deadline and at the signal; no timer is left', async () => {
    const clock = new ManualClock()
    const wake = new Wake()
    const { signal } = new AbortController()
    const before = wake.round
    const woken = wake.after(before, { signal, timer: clock, ms: 1_000 })
    wake.wake()
    await woken
    await wake.after(before, { signal, timer: clock })
    const late = wake.after(wake.round, { signal, timer: clock, ms: 1_000 })
    clock.advance(1_000)
    await late
    const reader = new AbortController()
    const left = wake.after(wake.round, { signal: reader.signal, timer: clock, ms: 1_000 })
    reader.abort()
    await left
    expect(clock.pending).to.equal(0)
  })
})

describe('health', () => {
  const answers = {
    validator: { degraded: false, workers: [{ recover: 'native' }, { recover: 'native' }], together: { off: false } }, network: { now: { unreached: [] } },
    reputation: [] as unknown[], discovery: {}, chain: { head: undefined, next: 7n, unstored: 0 },
    store: { durable: true, failing: undefined, stats: { signing: { closedUpTo: undefined, loss: undefined as { what: string; at: number; closedUpTo: bigint } | undefined } } }, sync: { unheard: [] as string[], peers: [] as unknown[], failedRuns: 0 },
  }
  const peers = [{ connections: 1 }, { connections: 0 }]

  function treeOf(changed: { readonly [part: string]: unknown } = {}, connected: unknown = peers, outage?: Tree['storeOutage']['failing']): Tree {
    const told: { readonly [part: string]: unknown } = { ...answers, ...changed }
    const ask = (value: unknown) => async () => {
      if (value === undefined) throw new Error('no answer')
      return value
    }
    const part = (name: string) => ({ figures: ask(told[name]), standing: ask(told[name]), peers: ask(connected), bans: ask(told[name]), lists: async () => ({ blocked: [], protected: [], allowed: [] }) })
    const parts = Object.fromEntries(Object.keys(answers).map(name => [name, part(name)]))
    return { ...parts, storeOutage: { failing: outage }, sinks: { figures: async () => [] }, supervisor: { describe: () => ({}) } } as unknown as Tree
  }
  const codes = async (...tree: Parameters<typeof treeOf>) => (await healthOf(treeOf(...tree), false, 0)).ailments.map(({ code }) => code)

  it('is ok where everything works', async () => {
    expect(await healthOf(treeOf(), false, 0)).to.deep.include({ status: 'ok', ailments: [], peers: 1, next: 7n, durable: true, signatures: 'native' })
    expect(await healthOf(treeOf(), true, 0)).to.have.property('status', 'stopping')
  })

  it('names each ailment', async () => {
    expect(await codes({ store: { ...answers.store, failing: { code: 'disk_full', message: 'full' } } })).to.deep.equal(['store_failing'])
    expect(await codes({ store: undefined }, peers, { code: 'hung', message: 'its thread does not answer' }), 'said once, by its reason').to.deep.equal(['store_failing'])
    expect(await codes({ validator: { ...answers.validator, degraded: true } })).to.deep.equal(['slow_signatures'])
    expect(await codes({ validator: { ...answers.validator, together: { off: true } } })).to.deep.equal(['batch_verification_off'])
    const withoutModule = (batchOff: string) => ({ validator: { ...answers.validator, workers: [{ recover: 'native', batchOff }] } })
    expect(await codes(withoutModule('no SIMD here'))).to.deep.equal(['batch_verification_off'])
    expect(await codes(withoutModule('by configuration'))).to.deep.equal([])
    expect(await codes({ sync: { ...answers.sync, unheard: ['peer'] } })).to.deep.equal(['unheard'])
    const unreached = [{ peer: 'p', addresses: ['/ip4/10.0.0.1/tcp/1/p2p/p'], reason: 'refused' }]
    expect(await codes({ network: { now: { unreached } } }), 'H80').to.deep.equal(['static_peer_unreached'])
    expect(await codes({}, [])).to.deep.equal(['no_peers'])
    for (const part of Object.keys(answers)) expect(await codes({ [part]: undefined }), part).to.deep.equal(['not_answering'])
  })

  it('H75 says that it is behind, with both heights, until the head is there', async () => {
    const chain = { head: { blockNumber: 1_005n }, next: 1_006n, highest: 1_060n, unstored: 0 }
    const sync = { unheard: [], failedRuns: 2, behind: { known: 1_060n, by: 'signed' }, peers: [{ head: { blockNumber: 1_070n }, discounted: false }, { head: { blockNumber: 5_000n }, discounted: true }] }
    const health = await healthOf(treeOf({ chain, sync }), false, 0)
    expect(health).to.deep.include({ status: 'degraded', known: 1_060n, announced: 1_070n, failedRuns: 2 })
    expect(health.ailments.map(({ code }) => code)).to.deep.equal(['behind'])
    expect(health.ailments[0]?.message).to.match(/1005.*1060/)
    expect(await codes({ chain, sync: { ...sync, behind: { known: 1_060n, by: 'announced' } } })).to.deep.equal(['behind'])
    expect(await codes({ chain: { ...chain, next: 1_061n }, sync })).to.deep.equal([])
    expect(await codes({ chain, sync: { ...sync, behind: undefined } })).to.deep.equal([])
  })

  it('does not say that there are no peers while the network does not answer', async () => {
    const silent = async () => { throw new Error('no answer') }
    const tree = { ...treeOf(), network: { figures: silent, peers: silent } } as unknown as Tree
    expect((await healthOf(tree, false, 0)).ailments.map(({ code }) => code)).to.deep.equal(['not_answering'])
  })
})

describe('requests', () => {
  const hash = new Uint8Array(32).fill(1)
  const answering = (body: Uint8Array) =>
    ({ request: async () => ({ peer: 'peer', body }) }) as unknown as Parameters<typeof requestHead>[0]
  const codeOf = async (work: Promise<unknown>) => (await failure(work) as RequestError).code

  it('H28: a range that cannot be is refused with its value', () => {
    for (const [start, maxCount, code] of [
      [-1n, 1, 'bad_argument'], [1n << 256n, 1, 'bad_argument'], [1 as never, 1, 'bad_argument'],
      [0n, 0, 'empty_range'], [0n, 1.5, 'empty_range'], [0n, 257, 'max_count_exceeded'],
    ] as const) expect(() => { checkRange(start, maxCount) }, `${start} ${maxCount}`).to.throw(RequestError).that.has.property('code', code)
    expect(() => { checkRange(0n, 256) }).to.not.throw()
  })

  it('an answer that is none, another txlist, and none at all', async () => {
    const crypto = await loadCrypto()
    const txlist = Uint8Array.of(1, 2, 3)
    const answer = (bytes: Uint8Array, rawTxListHash: Uint8Array = hash) =>
      GetRawTxListResponseCodec.encode({ txlist: bytes, rawTxListHash, errorCode: 0 } as unknown as Parameters<typeof GetRawTxListResponseCodec.encode>[0])
    expect(await codeOf(requestHead(answering(Uint8Array.of(9)), {}))).to.equal('bad_response')
    expect(await codeOf(requestTxList(answering(answer(txlist)), crypto, { hash }))).to.equal('bad_response')
    expect(await codeOf(requestTxList(answering(answer(new Uint8Array(0))), crypto, { hash }))).to.equal('not_found')
    expect(await codeOf(requestTxList(answering(answer(txlist)), crypto, { hash: hash.subarray(1) }))).to.equal('bad_argument')
    const good = txListHash(crypto, txlist)
    expect((await requestTxList(answering(answer(txlist, good)), crypto, { hash: good })).txList).to.deep.equal(txlist)
  })
})

describe('the config', () => {
  it('what cannot be is `bad_config` with the value', () => {
    const schedule: P2pConfig['schedule'] = () => undefined as never
    for (const bad of [
      { schedule: 5 }, { chainId: -1n }, { domain: 'xyz' }, { domain: new Uint8Array(31) }, { slasherAddress: '0x12' },
      { slasherAddress: 'no hex' }, { slasherAddress: 7 }, { eventCapacity: 0 }, { eventCapacity: 1.5 },
    ]) {
      const [[option, value]] = Object.entries(bad) as [[string, unknown]]
      const fill = () => fillConfig({ schedule, ...bad } as unknown as P2pConfig)
      expect(fill, option).to.throw().that.includes({ code: 'bad_config', value })
      expect(fill).to.throw(option)
    }
    expect(fillConfig({ schedule, listen: '/memory/1' })).to.deep.include({ listen: ['/memory/1'], staticPeers: [], chainId: 167_000n })
  })
})

describe('the signer of a config', () => {
  const KEY = '0b'.repeat(32)
  let folder: string
  before(async () => { folder = await mkdtemp(join(tmpdir(), 'signing-')) })
  after(async () => { await rm(folder, { recursive: true, force: true }) })

  it('comes from a key or its file', async () => {
    const keyFile = join(folder, 'key')
    await writeFile(keyFile, `${KEY}\n`)
    expect((await signerFrom({ keyFile })).address).to.deep.equal((await signerFrom({ key: KEY })).address)
    expect(await failure(signerFrom({ keyFile: join(folder, 'none') }))).to.include({ code: 'bad_config', value: join(folder, 'none') })
  })

  it('no error ever holds the key', async () => {
    const keyFile = join(folder, 'broken')
    await writeFile(keyFile, `${KEY}ff`)
    for (const bad of [KEY, { key: `${KEY}ff` }, { keyFile }, { sign: KEY }, { privateKey: KEY }, undefined]) {
      const error = await failure(signerFrom(bad as never)) as Error & { value: unknown }
      expect(error).to.have.property('code', 'bad_config')
      expect(`${error.message} ${String(error.value)} ${String(error.cause)} ${error.stack}`).to.not.include(KEY)
    }
  })
})
