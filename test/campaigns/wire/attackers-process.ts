/** Attackers in a process of their own, which stands for machines elsewhere: told over IPC whom to attack, how, from where and for how long. */
import { constants, setPriority } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Target } from './attacker.js'
import { Chance } from './chance.js'
import { GossipRpcs } from './gossip-rpc.js'
import { moves } from './moves.js'
import type { MoveName } from './moves.js'
import { sieges } from './sieges.js'
import type { SiegeName } from './sieges.js'

export type Order = { readonly target: Target; readonly seed: number; readonly ms: number } & (
  /** So many moves at a time, each of its own loopback address. */
  | { readonly what: 'moves'; readonly lanes: number; readonly names?: readonly MoveName[] }
  /** Every attack of the list at once, from each of these addresses. */
  | { readonly what: 'siege'; readonly addresses: readonly string[] }
)

/** How often each was made, and how often it went no further than its beginning. */
export type Report = Record<string, { made: number; refused: number }>

const report: Report = {}
function note(name: string, went: boolean): void {
  const entry = report[name] ??= { made: 0, refused: 0 }
  entry.made++
  if (!went) entry.refused++
}

async function obey(order: Order): Promise<void> {
  const { ms, seed, target } = order
  const until = performance.now() + ms
  const rpcs = await GossipRpcs.create(new Chance(seed))
  if (order.what === 'moves') {
    const names = order.names ?? Object.keys(moves) as MoveName[]
    await Promise.all(Array.from({ length: order.lanes }, async (_, lane) => {
      for (let turn = 0; performance.now() < until; turn++) {
        // each move has a seed of its own: it can be made again alone
        const chance = new Chance(seed + 1_000_003 * lane + turn)
        const name = chance.pick(names)
        const went = await moves[name]({ chance, target, from: chance.address(), rpcs }).then(() => true, () => false)
        note(name, went)
      }
    }))
    return
  }
  await Promise.all(order.addresses.flatMap((from, lane) => (Object.keys(sieges) as SiegeName[]).map(async (name, at) => {
    const chance = new Chance(seed + 1_000_003 * lane + at)
    // not all at the same moment: they would be refused for each other
    await sleep(chance.int(3_000))
    while (performance.now() < until) {
      const went = await sieges[name]({ chance, target, from, rpcs, until }).then(() => true, () => false)
      note(name, went)
      await sleep(went ? 20 : chance.between(200, 3_000))
    }
  })))
}

setPriority(constants.priority.PRIORITY_LOW)
process.on('message', (order: Order) => {
  obey(order).then(() => { process.send?.({ report }) }, (error: unknown) => { process.send?.({ error: String(error) }) })
})
process.on('disconnect', () => { process.exit(0) })
// what a library throws at one that is being closed on is no finding about the other side
process.on('uncaughtException', () => undefined)
process.on('unhandledRejection', () => undefined)
