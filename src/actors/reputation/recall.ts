import type { Context, Port } from '../kernel/index.js'
import type { Store } from '../store/ingress.js'
import { SECTIONS } from './book.js'
import type { Kept, Section } from './book.js'
import type { ReputationConfig } from './config.js'
import type { ReputationEvent } from './ingress.js'
import { NOTHING_KEPT, damagedNameOf, decode, nameOf } from './saved.js'
import type { StandingView } from './view.js'

/** What an incarnation begins with. */
export interface Recalled {
  readonly kept: Kept
  /** Sections that are not on disk as they are kept. */
  readonly unsaved: readonly Section[]
}

interface RecallNeeds {
  readonly store: Pick<Store, 'meta' | 'setMeta'>
  readonly events: Port<ReputationEvent>
  readonly view: StandingView
}
type Ground = Pick<Context<never>, 'clock' | 'log'>

/** What the last incarnation knew. It is newer than what is on disk, and available when the disk is not. */
export function recall({ view }: RecallNeeds, { clock, log }: Ground): Recalled | undefined {
  if (view.last === undefined) return undefined
  try {
    return { kept: view.last.kept(clock.now()), unsaved: SECTIONS }
  } catch (error) {
    log.error({ error }, 'what was known before the restart cannot be read: going by what is on disk')
    return undefined
  }
}

/** What the store kept. Damaged values are kept aside and reported, never silently dropped (H23). @throws what the store throws */
export async function read(needs: RecallNeeds, { storeWithin }: Pick<ReputationConfig, 'storeWithin'>, ground: Ground): Promise<Recalled> {
  const unsaved: Section[] = []
  const load = async <S extends Section>(section: S): Promise<Kept[S]> => {
    const text = await needs.store.meta(nameOf(section), storeWithin)
    if (text === undefined) return NOTHING_KEPT[section]
    const { value, lost } = decode(section, text)
    if (lost === 0) return value
    unsaved.push(section)
    tellDamaged(needs, ground, section, lost)
    await needs.store.setMeta(damagedNameOf(section), text, storeWithin).catch((error: unknown) => {
      ground.log.error({ section, error, text: text.slice(0, 1_000) }, 'the damaged value could not be put aside')
    })
    return value
  }
  const [bans, lists, scores] = await Promise.all([load('bans'), load('lists'), load('scores')])
  return { kept: { bans, lists, scores }, unsaved }
}

export function tellDamaged(
  { events }: Pick<RecallNeeds, 'events'>, { log }: Pick<Ground, 'log'>, what: Section, entries: number | 'all', error?: unknown,
): void {
  log.error({ what, entries, error }, 'of what was kept on disk something could not be taken up again')
  void events.send({ type: 'standingDamaged', what, entries })
}
