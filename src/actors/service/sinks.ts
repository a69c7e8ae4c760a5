import { seconds } from '../kernel/index.js'
import type { Clock, Supervisor } from '../kernel/index.js'
import type { Chain } from '../chain/ingress.js'
import { sinkActor } from '../sink/index.js'
import type { OrderedSource, Sink } from '../sink/index.js'
import { SinkActor } from '../sink/ingress.js'
import type { SinkFigures } from '../sink/ingress.js'
import type { Store } from '../store/ingress.js'
import { blocks } from './blocks.js'
import { ServiceError } from './errors.js'
import type { Wake } from './wake.js'

/** How long a part may take to answer, ms. */
const WITHIN = 10_000
/** Sinks of one node. */
const MAX_SINKS = 16
/** What is under way ends first. Whatever its engine does, a sink that fails does not end the node. */
const CHILD = { stopWithin: seconds(10), maxRestarts: 100, within: seconds(60), backoff: { firstMs: 1_000, maxMs: seconds(30), factor: 2, jitter: 0.2 } }

/** A sink that a node writes to. */
export interface RunningSink {
  figures(): Promise<SinkFigures>
  /** Ends it; the node goes on. Opened again, it goes on behind its last message. */
  stop(): Promise<void>
}

interface Needs {
  readonly supervisor: Supervisor
  readonly store: Store
  readonly chain: Pick<Chain, 'standing'>
  readonly news: Wake
  readonly clock: Clock
  readonly chainId: bigint
}

/** The sinks of a node, each an actor beside the rooms. */
export class Sinks {
  readonly #running = new Map<string, SinkActor>()
  #added = 0

  constructor(private readonly needs: Needs) {}

  /** @throws ServiceError `bad_config` where there are too many */
  add(sink: Sink): RunningSink {
    if (this.#running.size >= MAX_SINKS) throw new ServiceError('bad_config', `a node has at most ${MAX_SINKS} sinks`, this.#running.size, MAX_SINKS)
    const { supervisor, chainId } = this.needs
    const name = `sink-${++this.#added}`
    const running = new SinkActor(supervisor.child(name, () => sinkActor({ source: sourceOf(this.needs), chainId }, sink), CHILD))
    this.#running.set(name, running)
    return {
      figures: () => running.figures(WITHIN),
      stop: async () => {
        this.#running.delete(name)
        await supervisor.remove(name)
      },
    }
  }

  /** One that does not answer, since it is being started again, is left out. */
  async figures(within: number): Promise<readonly SinkFigures[]> {
    const all = await Promise.all([...this.#running.values()].map(sink => sink.figures(within).catch(() => undefined)))
    return all.filter(figures => figures !== undefined)
  }
}

/** The node's own stream and chain, as a sink reads them. */
export function sourceOf({ store, chain, news, clock }: Omit<Needs, 'supervisor' | 'chainId'>): OrderedSource {
  return {
    blocks: options => blocks({ store, chain, news, clock }, options),
    rewinds: (after, by) => store.rewinds(after, by, WITHIN),
    hashAt: async height => height < 0n ? undefined : (await store.blockAt(height, WITHIN))?.hash,
    lowest: async () => (await store.standing(WITHIN)).stats.lowest,
    confirmedTip: async () => (await chain.standing(WITHIN)).confirmedTip?.blockNumber,
  }
}
