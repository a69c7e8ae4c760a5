import { expect } from 'chai'
import { silentLogger } from '../../src/actors/kernel/index.js'
import { afterOurWindow } from '../../src/cli/after-window.js'
import { until } from '../support/until.js'

/** A clock whose timers the test lets run out. */
function still(now: number): { readonly clock: Parameters<typeof afterOurWindow>[3]; readonly timers: { fn: () => void; ms: number }[] } {
  const timers: { fn: () => void; ms: number }[] = []
  return { timers, clock: { now: () => now, monotonic: () => now, setTimeout: (fn: () => void, ms: number) => { timers.push({ fn, ms }); return {} }, clearTimeout: () => undefined } }
}

describe('cli/after-window', () => {
  const said: string[] = []
  const log = { ...silentLogger, warn: (_: object, text: string) => { said.push(text) }, child: () => log }
  beforeEach(() => { said.length = 0 })

  it('with our window near, the first signal waits until it is over, and says so', async () => {
    const { clock, timers } = still(1_000_000)
    const stopped = new AbortController()
    const signal = afterOurWindow(stopped.signal, { ourWindowWithin: async seconds => BigInt(1_000 + seconds - 20) }, log, clock)
    stopped.abort('SIGTERM')
    const [timer] = await until(() => timers.length > 0 && timers, 'a timer')
    expect([signal.aborted, timer!.ms, said.length]).to.deep.equal([false, 41_000, 1])
    timer!.fn()
    await until(() => signal.aborted, 'the stop')
    expect(signal.reason).to.equal('SIGTERM')
  })

  it('never for longer than 60 s', async () => {
    const { clock, timers } = still(1_000_000)
    const stopped = AbortSignal.abort()
    afterOurWindow(stopped, { ourWindowWithin: async () => 9_999n }, log, clock)
    expect((await until(() => timers.length > 0 && timers, 'a timer'))[0]!.ms).to.equal(60_000)
  })

  it('without a window of ours, or with a schedule that fails, it stops at once', async () => {
    for (const ourWindowWithin of [async () => undefined, async () => { throw new Error('unreadable') }]) {
      const { clock, timers } = still(1_000_000)
      const stopped = new AbortController()
      const signal = afterOurWindow(stopped.signal, { ourWindowWithin }, log, clock)
      stopped.abort('SIGINT')
      await until(() => signal.aborted, 'the stop')
      expect([timers.length, said.length]).to.deep.equal([0, 0])
    }
  })
})
