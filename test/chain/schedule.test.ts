import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { ChainError, parseSchedule, scheduleFromFile, scheduleFromSigners, scheduleFromTable } from '../../src/actors/chain/index.js'
import type { ScheduleAnswer } from '../../src/actors/chain/index.js'
import { minutes, seconds } from '../../src/actors/kernel/index.js'
import { ALICE, BOB, MALLORY, WINDOW, build, chainOf } from '../support/chain-builder.js'
import { house, shown } from './harness.js'
import type { House, HouseOptions } from './harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const options = { signal: new AbortController().signal }
const failure = (run: () => unknown): unknown => { try { run() } catch (error) { return error } return undefined }

describe('chain: schedules that are shipped', () => {
  it('some signers, valid for every window', async () => {
    const schedule = scheduleFromSigners([`0x${hex(ALICE)}`, BOB])
    expect(await schedule(1n, options)).to.deep.equal({ signers: [ALICE, BOB] })
    for (const bad of [[], ['0x12'], ['zz'], [new Uint8Array(19)]]) expect(failure(() => scheduleFromSigners(bad))).to.be.instanceOf(ChainError).with.property('code', 'bad_schedule')
  })

  it('tells who signs now and next', async () => {
    expect(await scheduleFromSigners([ALICE, BOB]).upcoming?.(1n)).to.deep.equal([{ address: ALICE }, { address: BOB }])
    const table = scheduleFromTable([{ from: 100n, signer: ALICE }, { from: 200n, signer: [BOB] }, { from: 300n, signer: MALLORY }, { from: 400n, signer: ALICE }])
    const names = async (now: bigint) => (await table.upcoming?.(now))?.map(({ address }) => hex(address))
    expect(await names(1n)).to.deep.equal([ALICE, BOB, MALLORY].map(hex))
    expect(await names(250n)).to.deep.equal([BOB, MALLORY, ALICE].map(hex))
    expect(await names(500n)).to.deep.equal([hex(ALICE)])
  })

  it('a table: from its window on, until the next', async () => {
    const schedule = scheduleFromTable([{ from: 200n, signer: [BOB, hex(ALICE)] }, { from: 100n, signer: ALICE }])
    expect([99n, 100n, 199n, 200n, 2n ** 255n].map(window => schedule(window, options))).to.deep.equal([
      'unknown', { signers: [ALICE] }, { signers: [ALICE] }, { signers: [BOB, ALICE] }, { signers: [BOB, ALICE] },
    ])
    expect(failure(() => scheduleFromTable([]))).to.include({ code: 'bad_schedule' })
    expect(failure(() => scheduleFromTable([{ from: 1 as never, signer: ALICE }]))).to.include({ code: 'bad_schedule' })
  })

  it('with slots, a window that ends with none is no slot end', async () => {
    const schedule = scheduleFromTable([{ from: 0n, signer: ALICE }], { slots: { genesis: 7n, seconds: 12n } })
    expect([6n, 7n, 19n, 20n].map(window => schedule(window, options))).to.deep.equal(['not_slot_end', { signers: [ALICE] }, { signers: [ALICE] }, 'not_slot_end'])
  })

  it('a file, read again when it has changed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'schedule-'))
    const path = join(folder, 'schedule.json')
    try {
      expect(await scheduleFromFile(path).catch((error: unknown) => error)).to.include({ code: 'schedule_unreadable', value: path })
      await writeFile(path, '{')
      expect(await scheduleFromFile(path).catch((error: unknown) => error)).to.include({ code: 'bad_schedule' })
      await writeFile(path, JSON.stringify({ windows: [{ from: '100', signer: `0x${hex(ALICE)}` }] }))
      const schedule = await scheduleFromFile(path)
      expect(await schedule(100n, options)).to.deep.equal({ signers: [ALICE] })
      await writeFile(path, JSON.stringify([{ from: 100, signer: [hex(BOB), hex(ALICE)] }]))
      expect(await schedule(100n, options)).to.deep.equal({ signers: [BOB, ALICE] })
      await writeFile(path, 'no JSON at all')
      expect(await Promise.resolve(schedule(100n, options)).catch((error: unknown) => error)).to.include({ code: 'bad_schedule' })
      await writeFile(path, JSON.stringify({ slots: { genesis: '0', seconds: 12 }, windows: [{ from: '0', signer: hex(ALICE) }] }))
      expect(await schedule(13n, options)).to.equal('not_slot_end')

      // on demand: every answer counts no more; a file that is wrong then changes nothing
      const forgotten: [bigint, bigint][] = []
      const following = new AbortController()
      schedule.subscribe?.((from, to) => { forgotten.push([from, to]) }, { signal: following.signal })
      await schedule.reload()
      expect(forgotten).to.deep.equal([[0n, 2n ** 256n - 1n]])
      await writeFile(path, 'no JSON at all')
      expect(await schedule.reload().catch((error: unknown) => error)).to.include({ code: 'bad_schedule' })
      following.abort()
      await writeFile(path, JSON.stringify([{ from: 0, signer: hex(BOB) }]))
      await schedule.reload()
      expect(forgotten).to.have.length(1)
      expect(await schedule(12n, options)).to.deep.equal({ signers: [BOB] })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('a file of a wrong form is told by code', () => {
    for (const text of ['[]', '{}', '{"windows":{}}', '[{"from":-1,"signer":""}]', '[{"from":"1"}]', '[1]', '[{"from":"1","signer":"0x12"}]']) {
      expect(failure(() => parseSchedule(text)), text).to.include({ code: 'bad_schedule' })
    }
  })
})

describe('chain: waiting for the schedule', () => {
  let h: House
  const open = async (options: HouseOptions = {}): Promise<void> => { h = await house({ ...options, config: { confirmedTip: TIP, ...options.config } }) }
  afterEach(() => h.kit.stop())
  const verdicts = (): string[] => h.verdicts.received.map(({ verdict }) => verdict)
  const later = <T>(answer: T, resolvers: ((answer: T) => void)[]): Promise<T> => new Promise(resolve => resolvers.push(() => { resolve(answer) }))

  it('an answer that takes time: one lookup a window, in order of arrival when it comes', async () => {
    const resolvers: ((answer: ScheduleAnswer) => void)[] = []
    await open({ schedule: () => later({ signer: ALICE }, resolvers) })
    const blocks = chainOf(100, 104)
    for (const block of blocks) expect(await h.gossip(block)).to.equal(undefined)
    expect(resolvers.length).to.equal(1)
    resolvers[0]!('unknown')
    await h.kit.settle()
    expect(verdicts()).to.deep.equal(new Array(5).fill('accept'))
    expect(await h.canonical()).to.deep.equal(shown(blocks))
  })

  it('a commitment never blocks those behind it from other heights and windows', async () => {
    await open({ schedule: window => window === WINDOW ? new Promise(() => undefined) : { signer: ALICE } })
    expect(await h.gossip(build({ number: 105 }))).to.equal(undefined)
    expect(await h.gossip(build({ number: 100, window: WINDOW + 12n }))).to.equal('accept')
  })

  it('a lookup has a deadline and is told so; a late answer counts all the same', async () => {
    const signals: AbortSignal[] = []
    const resolvers: ((answer: ScheduleAnswer) => void)[] = []
    await open({ schedule: (_window, { signal }) => { signals.push(signal); return later({ signer: ALICE }, resolvers) } })
    void h.gossip(build({ number: 100 }))
    await h.kit.advance(seconds(4.3))
    expect(signals[0]?.aborted).to.equal(true)
    expect(h.events.expect('scheduleFailed').error).to.include({ code: 'schedule_timeout' })
    resolvers[0]!('unknown')
    await h.kit.settle()
    expect(verdicts()).to.deep.equal(['accept'])
  })

  it('the bytes that are held already: Ignore', async () => {
    await open({ schedule: () => 'unknown' })
    const block = build({ number: 100 })
    void h.gossip(block)
    expect(await h.gossip(block, { peer: 'another' })).to.equal('ignore')
    expect((await h.standing()).pendingSchedule).to.equal(1)
  })

  it('H22 what the schedule answers at once takes no place among the held', async () => {
    const next = WINDOW + 12n
    await open({ schedule: window => window === WINDOW ? { signer: ALICE } : 'unknown', config: { maxHeld: 2, maxHeldPerPeer: 2 } })
    void h.gossip(build({ number: 200, window: next }))
    void h.gossip(build({ number: 201, window: next }))
    expect(await h.gossip(build({ number: 100 }))).to.equal('accept')
    expect(verdicts()).to.deep.equal(['accept'])
    expect((await h.standing()).pendingSchedule).to.equal(2)
  })

  it('H22 held in number and by sender: who overruns its share loses its own oldest, the others nothing', async () => {
    await open({ schedule: () => 'unknown' })
    void h.gossip(build({ number: 100 }), { peer: 'honest' })
    for (let salt = 1; salt <= 300; salt++) void h.gossip(build({ number: 200, salt, signer: MALLORY }), { peer: 'flood' })
    await h.kit.settle()
    expect((await h.standing()).pendingSchedule).to.equal(257)
    expect(verdicts().filter(verdict => verdict === 'ignore').length).to.equal(44)
    expect(h.verdicts.received.some(({ peer }) => peer === 'honest')).to.equal(false)
    expect(h.outcomes.received).to.deep.equal([])
  })

  it('H22 1,024 are held in all', async () => {
    await open({ schedule: () => 'unknown' })
    for (let salt = 1; salt <= 1_500; salt++) void h.gossip(build({ number: 200, salt }), { peer: `peer-${salt % 10}` })
    await h.kit.settle()
    expect((await h.standing()).pendingSchedule).to.equal(1_024)
  })

  it('H46 a window beyond the horizon is held, whoever may sign there, and judged when it has come near; else Ignored when its time is over', async () => {
    const asked: bigint[] = []
    await open({ schedule: window => { asked.push(window); return { signer: ALICE } }, config: { verdictWithin: minutes(5) } })
    const now = BigInt(Math.floor(h.kit.clock.now() / 1_000))
    const near = build({ number: 100, window: now + 3_600n })
    const soon = build({ number: 101, parent: near, window: now + 3_630n })
    const far = build({ number: 102, parent: soon, window: 2n ** 200n })
    for (const block of [soon, far]) expect(await h.gossip(block)).to.equal(undefined)
    expect(await h.gossip(near)).to.equal('accept')
    expect(asked).to.deep.equal([near.window])
    expect((await h.standing()).pendingSchedule).to.equal(2)
    await h.kit.advance(seconds(31))
    expect(await h.canonical()).to.deep.equal(shown([near, soon]))
    await h.kit.advance(minutes(6))
    expect(h.reason()).to.equal('beyond_horizon')
    expect(verdicts()).to.deep.equal(['accept', 'accept', 'ignore'])
    expect(h.outcomes.received.filter(({ outcome }) => outcome === 'failure')).to.deep.equal([])
    expect(await h.page([build({ number: 102, parent: soon, window: now + 10_000n })])).to.deep.equal(['ignore beyond_horizon'])
    expect(await h.canonical()).to.deep.equal(shown([near, soon]))
  })

  it('H46 a clock that was set back costs no block that is on disk', async () => {
    await open()
    const blocks = chainOf(100, 102, { window: BigInt(Math.floor(h.kit.clock.now() / 1_000)) + 3_000n })
    for (const block of blocks) await h.gossip(block)
    h = await h.restart({ config: { confirmedTip: TIP, windowHorizon: 1 } })
    expect(await h.canonical()).to.deep.equal(shown(blocks))
    expect((await h.standing()).head.blockNumber).to.equal(102n)
  })

  it('H22 lookups under way are bounded', async () => {
    const asked: bigint[] = []
    await open({ schedule: window => { asked.push(window); return new Promise(() => undefined) } })
    for (let salt = 1; salt <= 100; salt++) void h.gossip(build({ number: 200, window: WINDOW + BigInt(salt) }), { peer: `peer-${salt % 10}` })
    await h.kit.settle()
    expect(asked.length).to.equal(32)
  })

  it('H73 a mismatch with a remembered answer is asked about again, once a second, before anything is refused', async () => {
    let signer = ALICE
    let calls = 0
    await open({ schedule: () => { calls++; return { signer } } })
    const [first] = chainOf(100, 100)
    const fresh = chainOf(101, 104, { parent: first!, signer: BOB })
    expect(await h.gossip(first!)).to.equal('accept')
    signer = BOB
    await h.kit.advance(10)
    for (const block of fresh) expect(await h.gossip(block)).to.equal(undefined)
    expect(calls).to.equal(1)
    await h.kit.advance(seconds(1.3))
    expect(verdicts()).to.deep.equal(new Array(5).fill('accept'))
    expect(await h.canonical()).to.deep.equal(shown([first!, ...fresh]))
    for (let salt = 1; salt <= 20; salt++) { await h.kit.advance(100); void h.gossip(build({ number: 105, salt, signer: MALLORY }), { peer: 'flood' }) }
    await h.kit.advance(seconds(1.3))
    expect(calls).to.be.within(3, 5)
    expect(h.verdicts.received.slice(5).map(({ verdict }) => verdict)).to.deep.equal(new Array(20).fill('ignore'))
    expect(h.verdicts.received.slice(5).map(({ ofAuthor }) => ofAuthor)).to.deep.equal(new Array(20).fill(true))
  })

  it('H85 says when a window has another signer, whether it was told or found out', async () => {
    let signer = ALICE
    let change: (from: bigint, to: bigint) => void = () => undefined
    const schedule = Object.assign((): ScheduleAnswer => ({ signer }), { subscribe: (changed: typeof change) => { change = changed } })
    await open({ schedule })
    const [first] = chainOf(100, 100)
    expect(await h.gossip(first!)).to.equal('accept')
    await h.kit.advance(minutes(2))
    await h.gossip(build({ number: 101, parent: first!, signer: MALLORY }))
    await h.kit.advance(seconds(1.3))
    h.scheduleChanges.expectNone()
    signer = BOB
    await h.kit.advance(minutes(2))
    await h.gossip(build({ number: 101, parent: first!, signer: BOB }))
    await h.kit.advance(seconds(1.3))
    h.scheduleChanges.expect('scheduleChanged')
    change(WINDOW, WINDOW)
    await h.kit.settle()
    h.scheduleChanges.expect('scheduleChanged')
  })

  it('H73 a schedule that says what has changed: what is remembered is forgotten, what is held judged anew, what was asked before counts no more', async () => {
    let signer = ALICE
    let change: (from: bigint, to: bigint) => void = () => undefined
    let answerNow = true
    const resolvers: ((answer: ScheduleAnswer) => void)[] = []
    const schedule = Object.assign(
      (): ScheduleAnswer | Promise<ScheduleAnswer> => answerNow ? { signer } : later({ signer }, resolvers),
      { subscribe: (changed: typeof change) => { change = changed } },
    )
    await open({ schedule })
    const [first] = chainOf(100, 100)
    expect(await h.gossip(first!)).to.equal('accept')
    answerNow = false
    const other = build({ number: 101, parent: first!, signer: BOB, window: WINDOW + 384n })
    expect(await h.gossip(other)).to.equal(undefined)
    signer = BOB
    change(WINDOW, WINDOW + 384n)
    await h.kit.settle()
    resolvers[0]!('unknown')
    await h.kit.settle()
    expect(verdicts()).to.deep.equal(['accept'])
    resolvers[1]!('unknown')
    await h.kit.settle()
    expect(verdicts()).to.deep.equal(['accept', 'accept'])
    answerNow = true
    expect(await h.gossip(build({ number: 102, parent: other, signer: BOB }))).to.equal('accept')
  })

  it('what is known is looked up again after a while, while it goes on being used', async () => {
    let calls = 0
    await open({ schedule: () => { calls++; return { signer: ALICE } } })
    const blocks = chainOf(100, 103)
    await h.gossip(blocks[0]!)
    await h.gossip(blocks[1]!)
    expect(calls).to.equal(1)
    await h.kit.advance(minutes(2))
    expect(await h.gossip(blocks[2]!)).to.equal('accept')
    expect(calls).to.equal(2)
  })

  it('H05 a page whose schedule answers later: each of its commitments is judged by the answer, not the first alone', async () => {
    const resolvers: ((answer: ScheduleAnswer) => void)[] = []
    await open({ schedule: () => later({ signer: ALICE }, resolvers) })
    const first = build({ number: 100, parent: TIP.preconfirmationHash })
    const answer = h.page([first, build({ number: 101, parent: first, signer: MALLORY }), build({ number: 101, parent: first })])
    await h.kit.settle()
    h.judged.expectNone()
    for (const resolve of resolvers) resolve('unknown')
    await h.kit.settle()
    expect(h.judged.expect('judged').results.map(({ reason }) => reason)).to.deep.equal(['accepted', 'not_elected', 'accepted'])
    await answer
  })

  it('a page waits as a whole, and is answered in time', async () => {
    const resolvers: ((answer: ScheduleAnswer) => void)[] = []
    await open({ schedule: window => window === WINDOW ? { signer: ALICE } : later({ signer: BOB }, resolvers) })
    const first = chainOf(100, 103)
    const second = chainOf(104, 107, { parent: first[3]!, signer: BOB, window: WINDOW + 384n })
    const answer = h.page([...first, ...second])
    await h.kit.settle()
    h.judged.expectNone()
    resolvers[0]!('unknown')
    await h.kit.settle()
    expect(h.judged.expect('judged').results.map(({ reason }) => reason)).to.deep.equal(new Array(8).fill('accepted'))
    await answer
    void h.page([build({ number: 108, window: WINDOW + 768n })])
    await h.kit.advance(seconds(16))
    expect(h.judged.expect('judged').results[0]).to.include({ verdict: 'ignore', reason: 'schedule_unknown', penalty: false })
    expect(h.outcomes.received).to.deep.equal([])
  })
})
