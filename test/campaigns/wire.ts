import { setTimeout as sleep } from 'node:timers/promises'
import { chainOf, heightOf } from '../../bench/net/blocks.js'
import { Nodes, inLine, sendTxList } from '../../bench/net/nodes.js'
import type { BenchNode } from '../../bench/net/nodes.js'
import { Tally } from './campaign.js'
import type { Campaign } from './campaign.js'
import { Attackers } from './wire/attackers.js'
import { unaccounted } from './wire/balance.js'
import type { ByteFigures } from './wire/balance.js'

/** Of fuzzing between two looks at the node, ms. */
const ROUND = 5_000
/** Honest commitments a second: five times what the network makes. */
const HONEST_PER_SECOND = 5
/** How long the last honest one may take, ms; gossip that is lost comes as a gap. */
const SETTLE = 10_000
const LIMITS = {
  /** p99 of the loop's own delay in a round, ms. */
  delayMs: 50,
  /** Bytes above what the node held after its first round, garbage collected. */
  bytes: 128 * 1_024 * 1_024,
}

const held = ({ external, heapUsed }: { readonly external: number; readonly heapUsed: number }): number => external + heapUsed

/**
 * A whole node, attacked from outside with everything that its wire takes and much that it does not, in the right structure and beside it; an
 * honest node beside it. After each round: it lives, its loop was not held, its memory is bounded, every honest commitment has arrived, the
 * honest node is in its mesh and was never blamed, and each byte that came is accounted for.
 */
export const campaign: Campaign<'seconds' | 'lanes'> = {
  about: 'a whole node fuzzed from outside, from raw bytes to discv5: it lives, serves the honest, blames nobody else, and accounts for every byte',
  options: {
    seconds: { about: 'seconds of fuzzing', default: 3_600 },
    lanes: { about: 'attackers at a time', default: 6 },
  },
  async run({ seed, options: { lanes, seconds }, log }) {
    const tally = new Tally()
    const nodes = new Nodes()
    const attackers = new Attackers()
    const totals: Record<string, { made: number; refused: number }> = {}
    try {
      const [victim, honest] = [await nodes.start('service', { exposed: true, threads: 1 }), await nodes.start('service', { threads: 1 })]
      await inLine([victim, honest])
      await sendTxList(honest)
      const chain = await chainOf()
      let atFirst: number | undefined
      for (let round = 0; round < Math.ceil(seconds * 1_000 / ROUND); round++) {
        const roundSeed = seed + 7_919 * round
        const which = `round ${round} (--seed ${roundSeed} --seconds ${ROUND / 1_000})`
        const attacking = attackers.obey({ what: 'moves', target: { address: victim.address, discovery: victim.started.discovery }, seed: roundSeed, ms: ROUND, lanes })
        await victim.ask('usage')
        const messages = chain.next(Math.round(HONEST_PER_SECOND * ROUND / 1_000))
        await honest.ask('publish', { topic: 'commitments', messages, perSecond: HONEST_PER_SECOND })
        const usage = await victim.ask('usage')
        const report = await attacking
        for (const [name, { made, refused }] of Object.entries(report)) totals[name] = { made, refused }
        const arrived = await settled(victim, messages.map(heightOf))
        tally.check(arrived === messages.length, () => `${which}: ${arrived} of ${messages.length} honest commitments arrived`)
        tally.check(usage.ownDelayP99Ms < LIMITS.delayMs, () => `${which}: the loop was late by ${usage.ownDelayP99Ms.toFixed(1)} ms (p99)`)
        const now = held(await victim.ask('holdings'))
        atFirst ??= now
        tally.check(now - atFirst < LIMITS.bytes, () => `${which}: it holds ${((now - (atFirst ?? 0)) / 1_048_576).toFixed(0)} MiB more than after its first round`)
        await checkPeers(victim, honest, tally, which)
        // a frame may come between two figures of one answer, none between two counters
        const { network } = JSON.parse(await victim.ask('figures')) as { readonly network: ByteFigures }
        tally.check(unaccounted(network) === 0, () => `${which}: ${unaccounted(network)} bytes of ${network.bytes.received} are accounted for nowhere`)
        if (round % 12 === 11) log(`${round + 1} rounds, ${tally.toString()}; ${(now / 1_048_576).toFixed(0)} MiB; ${JSON.stringify(totals)}`)
      }
      log(JSON.stringify(totals))
    } catch (error) {
      tally.check(false, () => `it did not live through it: ${String(error)}`)
    } finally {
      attackers.stop()
      await nodes.stopAll()
    }
    return tally
  },
}

async function settled(victim: BenchNode, wanted: readonly number[]): Promise<number> {
  const seen = new Set<number>()
  for (const until = performance.now() + SETTLE; ; await sleep(50)) {
    for (const height of (await victim.ask('arrivals')).heights) seen.add(height)
    const arrived = wanted.filter(height => seen.has(height)).length
    if (arrived === wanted.length || performance.now() > until) return arrived
  }
}

async function checkPeers(victim: BenchNode, honest: BenchNode, tally: Tally, which: string): Promise<void> {
  const peer = (await victim.ask('peers')).find(each => each.peer === honest.peerId)
  tally.check(peer?.connections === 1 && peer.inMesh && peer.score >= 0, () => `${which}: the honest node is ${JSON.stringify(peer)} to it`)
  const blamed = (await victim.ask('blamed'))[honest.peerId] ?? 0
  tally.check(blamed === 0, () => `${which}: the honest node was blamed ${blamed} times`)
  const head = await honest.ask('request', { peerId: victim.peerId, start: 1_000_000, count: 8 }).catch((error: unknown) => String(error))
  tally.check(head === 8, () => `${which}: the honest node asked for 8 commitments and got ${head}`)
}
