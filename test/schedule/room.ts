import { seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit } from '../../src/actors/kernel/testing/index.js'
import type { ScheduleAnswer } from '../../src/actors/chain/ports.js'
import { schedule, scheduleFromL1 } from '../../src/actors/schedule/index.js'
import { Schedule } from '../../src/actors/schedule/ingress.js'
import type { L1Schedule } from '../../src/actors/schedule/index.js'
import type { ScheduleEvent, ScheduleFigures } from '../../src/actors/schedule/ingress.js'
import type { L1Options } from '../../src/actors/schedule/config.js'
import type { Hex } from '../../src/actors/schedule/facts.js'
import type { Call } from '../../src/actors/schedule/rpc.js'
import { toHex } from '../../src/protocol/index.js'
import { INBOX } from './fake-l1.js'
import type { FakeL1 } from './fake-l1.js'

/** A store's small values. */
export class TestMeta {
  readonly values = new Map<string, string>()
  failing = false
  async meta(name: string): Promise<string | undefined> { return this.values.get(name) }
  async setMeta(name: string, value: string): Promise<void> {
    if (this.failing) throw new Error('the disk is full')
    this.values.set(name, value)
  }
}

export interface RoomOptions extends Partial<Omit<L1Options, 'rpc' | 'inbox'>> {
  /** One that is used already, by a chain say. */
  readonly resolver?: L1Schedule
  readonly kit?: TestKit
  readonly store?: TestMeta
  /** Endpoints instead of the chain itself, by host. */
  readonly endpoints?: Readonly<Record<string, Call>>
}

/** The actor that follows an L1 in memory, with probes around it. Its clock stands at the time of L1's newest block, and a second more. */
export async function room(l1: FakeL1, { kit = testKit(), store = new TestMeta(), resolver, ...options }: RoomOptions = {}) {
  return roomOf(l1, kit, store, resolver ?? resolverOf(l1, options))
}

/** What follows an L1 in memory. */
export function resolverOf(l1: FakeL1, { endpoints = { one: l1.call }, ...options }: Omit<RoomOptions, 'kit' | 'store' | 'resolver'> = {}): L1Schedule {
  return scheduleFromL1({ rpc: Object.keys(endpoints).map(host => `http://${host}/`), inbox: INBOX, open: url => endpoints[new URL(url).host]!, fallbackSigner: 'proposer', ...options })
}

async function roomOf(l1: FakeL1, kit: TestKit, store: TestMeta, resolver: L1Schedule) {
  const events = kit.probe<ScheduleEvent>()
  const wallAt = (time: number): void => { kit.clock.jump(time * 1_000 - kit.clock.now()) }
  wallAt(l1.head.time + 1)
  const changes: [number, number][] = []
  resolver.subscribe?.((from, to) => { changes.push([Number(from), Number(to)]) }, { signal: new AbortController().signal })
  const spec = () => schedule({ store, events, view: resolver.view, open: resolver.open }, resolver.view.config)
  const ref = await kit.spawn(spec)
  await kit.settle()
  const handle = new Schedule(ref)
  return {
    kit, resolver, view: resolver.view, events, store, changes, handle, ref, wallAt,
    /** What is answered at once, as text: addresses in hex, or why not. */
    answer: (window: number): readonly Hex[] | string => shown(resolver(BigInt(window), { signal: new AbortController().signal })),
    /** The same, waited for. */
    asked: async (window: number): Promise<readonly Hex[] | string> => {
      let given: ScheduleAnswer | undefined
      void Promise.resolve(resolver(BigInt(window), { signal: new AbortController().signal })).then(answer => { given = answer })
      for (let round = 0; round < 400 && given === undefined; round++) await kit.settle()
      return given === undefined ? 'waits' : shown(given)
    },
    /** Time goes on until L1's newest block is read. */
    followed: async (): Promise<void> => {
      wallAt(l1.head.time + 1)
      await kit.advance(seconds(13))
    },
    figures: async (): Promise<ScheduleFigures> => {
      const asked = handle.figures(seconds(1))
      await kit.settle()
      return asked
    },
  }
}

function shown(answer: ScheduleAnswer | Promise<ScheduleAnswer>): readonly Hex[] | string {
  if (answer instanceof Promise) return 'waits'
  if (typeof answer === 'string') return answer
  const list = 'signers' in answer ? answer.signers : [answer.signer]
  return list.map((each): Hex => `0x${toHex(each)}`)
}
