import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { silentLogger, seconds, supervisor } from '../../src/actors/kernel/index.js'
import { schedule, scheduleFromL1 } from '../../src/actors/schedule/index.js'
import { Schedule } from '../../src/actors/schedule/ingress.js'
import type { ScheduleEvent, ScheduleFigures } from '../../src/actors/schedule/ingress.js'
import type { L1Options } from '../../src/actors/schedule/index.js'
import type { Hex, PostedSlot, Variant } from '../../src/actors/schedule/facts.js'
import { DevL1, rootNamed } from '../../src/cli/devnet/l1/dev-l1.js'
import { toHex } from '../../src/protocol/index.js'
import { operator, slot } from '../schedule/fake-l1.js'
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

export const named = (time: number, name: string): PostedSlot => ({ ...slot(time, name), root: rootNamed(name) })

/** A chain of four epochs up to the present one, with three operators; the present epoch's lookahead is posted. */
export async function chain(variant: Variant, epoch = presentEpoch()): Promise<{ readonly l1: DevL1; readonly epoch: number }> {
  const l1 = await DevL1.start({ variant, time: epoch - 4 * EPOCH, genesis: epoch % EPOCH })
  for (const name of ['one', 'two', 'three']) await l1.add(operator(name).proposer, operator(name).sequencer, 384)
  await l1.mineTo(epoch - 24)
  // in the packed generation a post is for the epoch after that of its block
  if (variant !== 'whitelist') await l1.post(epoch, [named(epoch + 120, 'alice'), named(epoch + 240, 'bob')])
  await l1.mineTo(variant === 'whitelist' ? epoch : epoch + 12)
  return { l1, epoch }
}

/** An endpoint before another one that changes some answers. */
export async function proxy(to: string, change: (method: string, result: unknown) => unknown): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      void (async () => {
        const answer = await (await fetch(to, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json() as { result: unknown }
        const { method } = JSON.parse(body) as { method: string }
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ ...answer, result: change(method, answer.result) }))
      })()
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => { server.closeAllConnections(); await new Promise(resolve => { server.close(resolve) }) },
  }
}
