import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { SigningGate } from '../../src/actors/service/signing-gate.js'
import type { SigningFrom } from '../../src/actors/service/signing-gate.js'
import type { SyncResult } from '../../src/actors/sync/ingress.js'

const result = (outcome: SyncResult['outcome']): SyncResult => ({ outcome, code: undefined, from: 1n, to: 0n, blocks: 0, ms: 1 })
const ticks = async (): Promise<void> => { for (let turn = 0; turn < 5; turn++) await new Promise<void>(resolve => { setImmediate(resolve) }) }

/** A gate whose catch-ups end when the test says so. */
function rig(options: { open?: SigningFrom; remembers?: boolean } = {}) {
  const clock = new ManualClock()
  const runs: { end: (outcome: SyncResult['outcome']) => void; fail: () => void }[] = []
  const opened: SigningFrom[] = []
  let caughtUp = 0
  const gate = new SigningGate({
    clock, open: options.open, remembers: options.remembers ?? false,
    sync: () => new Promise((resolve, reject) => { runs.push({ end: outcome => { resolve(result(outcome)) }, fail: () => { reject(new Error('a part is started again')) } }) }),
    caughtUp: async () => { caughtUp++ },
    opened: after => { opened.push(after) },
  })
  const windowEnd = BigInt(Math.floor(clock.now() / 1_000)) + 600n
  const ready = (peer: string): void => { gate.event({ type: 'peerReady', peer, agent: 'a' }) }
  const gone = (peer: string): void => { gate.event({ type: 'peerDisconnected', peer }) }
  const head = (blockNumber: bigint): void => { gate.event({ type: 'head', head: { blockNumber, submissionWindowEnd: 1n }, hash: undefined }) }
  return { clock, gate, runs, opened, windowEnd, ready, gone, head, settled: () => caughtUp }
}

describe('H76 nothing is signed before the first catch-up has ended', () => {
  it('at once where there is nobody to ask, or where it is asked for', async () => {
    for (const open of ['alone', 'option'] as const) {
      const { gate, opened, windowEnd } = rig({ open })
      expect([gate.held, opened]).to.deep.equal([false, [open]])
      await gate.wait(windowEnd, undefined)
    }
  })

  it('when a catch-up has brought all that peers have; one that has not is followed by another', async () => {
    const { clock, gate, runs, opened, windowEnd, ready } = rig()
    let done = false
    const waiting = gate.wait(windowEnd, undefined).then(() => { done = true })
    ready('a')
    await ticks()
    for (const outcome of ['no_peers', 'incomplete', 'cancelled'] as const) {
      runs.at(-1)!.end(outcome)
      await ticks()
      expect([gate.held, done], outcome).to.deep.equal([true, false])
      clock.advance(1_000)
      await ticks()
    }
    runs.at(-1)!.fail()
    await ticks()
    clock.advance(1_000)
    await ticks()
    expect(runs).to.have.length(5)
    runs.at(-1)!.end('caught_up')
    await waiting
    expect(opened).to.deep.equal(['caught_up'])
    expect(clock.pending).to.equal(0)
  })

  it('after 30 s without a peer; one that comes in time is waited for', async () => {
    const { clock, opened } = rig()
    clock.advance(29_999)
    expect(opened).to.deep.equal([])
    clock.advance(1)
    expect(opened).to.deep.equal(['no_peer'])

    const other = rig()
    other.clock.advance(29_000)
    other.ready('a')
    other.clock.advance(30_000)
    expect(other.opened).to.deep.equal([])
    other.gone('a')
    other.clock.advance(29_999)
    expect(other.opened).to.deep.equal([])
    other.clock.advance(1)
    expect(other.opened).to.deep.equal(['no_peer'])
  })

  it('after 60 s in which the catch-up did not move', async () => {
    const { clock, opened, ready, head } = rig()
    ready('a')
    for (let height = 1n; height <= 10n; height++) { clock.advance(59_000); head(height) }
    expect(opened).to.deep.equal([])
    clock.advance(59_000)
    head(10n)
    clock.advance(999)
    expect(opened, 'the same head again is no step').to.deep.equal([])
    clock.advance(1)
    expect(opened).to.deep.equal(['no_progress'])
  })

  it('until the window ends, or the caller or the node does: then it is told', async () => {
    const { clock, gate, windowEnd } = rig()
    const failure = (work: Promise<void>): Promise<unknown> => work.then(() => 'signed', (error: unknown) => error)
    expect(await Promise.race([failure(gate.wait(1n, undefined)), (async () => { await ticks(); clock.advance(0); await ticks(); return 'waits' })()]), 'a window that is over').to.include({ code: 'signing_held', value: 1n })
    const soon = failure(gate.wait(BigInt(Math.floor(clock.now() / 1_000)) + 5n, undefined))
    clock.advance(5_000)
    expect(await soon).to.include({ code: 'signing_held' })
    const caller = new AbortController()
    const left = failure(gate.wait(windowEnd, caller.signal))
    caller.abort()
    expect(await left).to.include({ code: 'cancelled' })
    const stopping = failure(gate.wait(windowEnd, undefined))
    gate.close()
    expect(await stopping).to.include({ code: 'stopped' })
    expect(clock.pending).to.equal(0)
  })

  it('a directory learns of the first catch-up that ended, however signing began', async () => {
    const { runs, opened, ready, settled } = rig({ open: 'alone', remembers: true })
    expect([opened, settled()]).to.deep.equal([['alone'], 0])
    ready('a')
    await ticks()
    runs.at(-1)!.end('caught_up')
    await ticks()
    expect([opened, settled()]).to.deep.equal([['alone'], 1])
    ready('b')
    await ticks()
    expect(runs).to.have.length(1)
  })
})
