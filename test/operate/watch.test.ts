import { expect } from 'chai'
import { silentLogger } from '../../src/actors/kernel/index.js'
import type { Logger } from '../../src/actors/kernel/index.js'
import type { Ailment, NetworkEvent } from '../../src/actors/service/index.js'
import { Watch, watch } from '../../src/operate/watch.js'
import { until } from '../support/until.js'
import { Stage } from '../cli/stage.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'

const BYTES = new Uint8Array(20).fill(1)

describe('H84 every change for the worse is one warning, every recovery one line', () => {
  let clock: ManualClock
  let lines: (readonly [string, Readonly<Record<string, unknown>>])[]
  let log: Logger
  let watched: Watch
  beforeEach(() => {
    clock = new ManualClock()
    lines = []
    const note = (level: string) => (fields: object, text: string): void => { lines.push([`${level} ${text}`, fields as Record<string, unknown>]) }
    log = { ...silentLogger, info: note('info'), warn: note('warn'), error: note('error') }
    watched = new Watch(log, clock)
  })
  const ill = (code: string, message = code): Ailment => ({ code, message })
  const told = (): string[] => lines.splice(0).map(([text]) => text)
  const after = (ms: number, ...ailments: Ailment[]): void => {
    clock.advance(ms)
    watched.look(ailments)
  }

  it('H84 one warning however long it lasts and however its words change, and one line when it is over', async () => {
    watched.look([ill('schedule_unread', 'the file is broken')])
    expect(told()).to.deep.equal(['warn the file is broken'])
    for (let at = 0; at < 100; at++) after(5_000, ill('schedule_unread', `broken for ${at}`))
    expect(told()).to.deep.equal([])
    after(5_000)
    expect(lines[0]![1]).to.deep.equal({ code: 'schedule_unread', afterMs: 505_000 })
    expect(told()).to.deep.equal(['info over: broken for 99'])
    after(5_000)
    expect(told()).to.deep.equal([])
  })

  it('H84 what comes and goes is told once a minute, and its recovery only where it was told', async () => {
    for (let at = 0; at < 30; at++) after(1_000, ...at % 2 === 0 ? [ill('behind')] : [])
    expect(told()).to.deep.equal(['warn behind', 'info over: behind'])
    after(60_000, ill('behind'))
    expect(told()).to.deep.equal(['warn behind'])
  })

  it('H84 what every start has for a moment is told when it stays', async () => {
    watched.look([ill('no_peers')])
    after(29_000, ill('no_peers'))
    after(500)
    expect(told()).to.deep.equal([])
    watched.look([ill('no_peers')])
    after(30_000, ill('no_peers'))
    expect(told()).to.deep.equal(['warn no_peers'])
  })

  it('H84 each static peer and each part is an ailment of its own', async () => {
    watched.look([ill('static_peer_unreached', 'a at /x: refused'), ill('static_peer_unreached', 'b at /y: refused')])
    after(5_000, ill('static_peer_unreached', 'b at /y: no route'))
    expect(told()).to.deep.equal(['warn a at /x: refused', 'warn b at /y: refused', 'info over: a at /x: refused'])
  })

  it('H84 events that want a decision are told, and no type of them without limit', async () => {
    const equivocation: NetworkEvent = { type: 'equivocation', first: BYTES, second: BYTES, signer: BYTES, blockNumber: 7n }
    const deepReorg: NetworkEvent = { type: 'deepReorg', hash: BYTES, blockNumber: 7n, head: 99n, evidence: [] }
    watched.see(deepReorg)
    expect(lines[0]![1]).to.deep.equal({ hash: `0x${'01'.repeat(20)}`, blockNumber: '7', head: '99' })
    expect(told()).to.have.length(1)
    for (let at = 0; at < 1_000; at++) watched.see(equivocation)
    expect(told()).to.have.length(5)
    clock.advance(60_000)
    watched.see(equivocation)
    expect(lines[0]![1]).to.include({ notTold: 995, blockNumber: '7' })
    watched.see({ type: 'actorFailed', actor: 'p2p/store', error: new Error('x') })
    watched.see({ type: 'actorRestarted', actor: 'p2p/store' })
    expect(told().slice(-2)).to.deep.equal(['warn a part failed and is restarted', 'info a part was restarted'])
  })

  it('H84 looks at the health every five seconds, listens to the events, and ends', async () => {
    let [asked, ailments]: [number, Ailment[]] = [0, []]
    const stage = new Stage({ health: async () => { asked++; return { status: 'degraded', ailments, peers: 0, head: undefined, next: undefined, known: undefined, announced: undefined, failedRuns: 0, unstored: 0, durable: true, signatures: '' } } })
    const end = watch(stage.node, log, clock)
    ailments = [ill('store_failing')]
    stage.broadcast.publish({ type: 'actorRestarted', actor: 'p2p/x' })
    for (const times of [1, 2]) {
      clock.advance(5_000)
      await until(() => asked === times && clock.pending === 1 && lines.length === 2, 'a look')
    }
    expect(told().sort()).to.deep.equal(['info a part was restarted', 'warn store_failing'])
    await end()
    clock.advance(60_000)
    expect(asked).to.equal(2)
  })
})
