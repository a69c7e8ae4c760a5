import type { Context, Port } from '../kernel/index.js'
import type { Store } from '../store/ingress.js'
import { SECTIONS } from './book.js'
import type { Kept, Section } from './book.js'
import type { ReputationConfig } from './config.js'
import type { ReputationEvent } from './ingress.js'
import { NOTHING_KEPT, damagedNameOf, decode, nameOf } from './saved.js'
import type { StandingView } from './view.js'

/** The state with which an incarnation of the actor starts. */
export interface Recalled {
  readonly kept: Kept
  /** Sections whose value on disk differs from `kept`. */
  readonly unsaved: readonly Section[]
}

interface RecallNeeds {
  readonly store: Pick<Store, 'meta' | 'setMeta'>
  readonly events: Port<ReputationEvent>
  readonly view: StandingView
}
type Ground = Pick<Context<never>, 'clock' | 'log'>

/** The state of the last incarnation, if there was one. It is newer than the saved state, and available even when the store fails. */
export function recall({ view }: RecallNeeds, { clock, log }: Ground): Recalled | undefined {
  if (view.last === undefined) return undefined
  try {
    return { kept: view.last.kept(clock.now()), unsaved: SECTIONS }
  } catch (error) {
    log.error({ error }, 'the reputation data of before the restart cannot be read; the data on disk is used')
    return undefined
  }
}

/** Reads the saved state. Damaged values are reported, and kept under another name (H23). @throws the store's errors */
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
      ground.log.error({ section, error, text: text.slice(0, 1_000) }, 'a copy of the damaged value could not be written')
    })
    return value
  }
  const [bans, lists, scores] = await Promise.all([load('bans'), load('lists'), load('scores')])
  return { kept: { bans, lists, scores }, unsaved }
}

export function tellDamaged(
  { events }: Pick<RecallNeeds, 'events'>, { log }: Pick<Ground, 'log'>, what: Section, entries: number | 'all', error?: unknown,
): void {
  log.error({ what, entries, error }, 'saved reputation entries could not be restored')
  void events.send({ type: 'standingDamaged', what, entries })
}
