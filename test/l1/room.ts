import { silentLogger, seconds, supervisor } from '../../src/actors/kernel/index.js'
import { schedule, scheduleFromL1 } from '../../src/actors/schedule/index.js'
import { Schedule } from '../../src/actors/schedule/ingress.js'
import type { ScheduleEvent, ScheduleFigures } from '../../src/actors/schedule/ingress.js'
import type { L1Options } from '../../src/actors/schedule/index.js'
import type { Hex } from '../../src/actors/schedule/facts.js'
import type { DevL1 } from '../../src/cli/devnet/l1/dev-l1.js'
import { toHex } from '../../src/protocol/index.js'
import { TestMeta } from '../schedule/room.js'
import { until } from '../support/until.js'

export const EPOCH = 384
/**
 * An epoch that will soon be over by the wall clock, with a genesis of its own, which an L1 of tests may have: what is mined after its beginning is
 * due, so that it is looked for at once.
 */
export const presentEpoch = (): number => Math.floor(Date.now() / 1_000) - 300

/** The actor that follows a real L1, by the machine's clock. */
export async function follow(l1: DevL1, { store = new TestMeta(), ...options }: Partial<L1Options> & { readonly store?: TestMeta } = {}) {
  const resolver = scheduleFromL1({ rpc: l1.url, inbox: l1.inbox, fallbackSigner: 'proposer', pollEvery: 500, pollSoon: 200, genesis: l1.genesis, staleAfter: 3_600_000, ...options })
  const events: ScheduleEvent[] = []
  const tree = supervisor('test', { log: silentLogger })
  const handle = new Schedule(tree.child('schedule', () => schedule({ store, events: { send: event => { events.push(event); return 'ok' } }, view: resolver.view }, resolver.view.config)))
  await tree.start()
  const { signal } = new AbortController()
  return {
    resolver, events, store,
    answer: async (window: number): Promise<readonly Hex[] | string> => {
      const answer = await resolver(BigInt(window), { signal })
      if (typeof answer === 'string') return answer
      return ('signers' in answer ? answer.signers : [answer.signer]).map((each): Hex => `0x${toHex(each)}`)
    },
    /** Until L1's newest block is followed. */
    reached: async (): Promise<void> => {
      const { hash } = await l1.head()
      await until(() => resolver.view.last?.record.head.hash === hash, 'the newest block of L1 is followed')
    },
    figures: (): Promise<ScheduleFigures> => handle.figures(seconds(5)),
    stop: (): Promise<void> => tree.stop(),
  }
}
