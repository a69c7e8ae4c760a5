import type { Hex, Operator, Roster } from './facts.js'
import { ZERO_HASH } from './facts.js'

/** More rosters than these are not told apart: who was elected then is not known. */
const MAX_POSSIBLE = 256

/** Appended, as the contract does. */
export function withAdded({ operators, latestActivation }: Roster, operator: Operator): Roster {
  return { operators: [...operators, operator], latestActivation: Math.max(latestActivation, operator.activeSince) }
}

/** The last one takes the place of the one that goes, as in the contract. */
export function withRemoved({ operators, latestActivation }: Roster, proposer: Hex): Roster {
  const index = operators.findIndex(each => each.proposer === proposer)
  if (index < 0) return { operators, latestActivation }
  const last = operators.at(-1)!
  return { operators: operators.map((each, at) => at === index ? last : each).slice(0, -1), latestActivation }
}

/** The rosters that there can have been before an operator was added; none of `rosters` contradicts it. */
export function beforeAdded(rosters: readonly Roster[], operator: Operator): readonly Roster[] {
  // Before it, whether all listed ones count follows from their own times alone.
  return distinct(rosters.map(({ operators }) => ({ operators: operators.filter(({ proposer }) => proposer !== operator.proposer), latestActivation: Infinity })))
}

/**
 * The rosters that there can have been before an operator was removed. The log does not tell its place, and an old state is not asked for,
 * so it may have been any: whoever one of them elects is not held to be wrong. Empty: too many.
 */
export function beforeRemoved(rosters: readonly Roster[], { proposer, sequencer }: Pick<Operator, 'proposer' | 'sequencer'>, activeSince: number | undefined): readonly Roster[] {
  // Nor does it tell whether the operator was active yet.
  const gone = activeSince === undefined ? [1, Number.MAX_SAFE_INTEGER] : [activeSince]
  return distinct(rosters.flatMap(({ operators, latestActivation }) => gone.map(since => ({ proposer, sequencer, activeSince: since })).flatMap(operator => [
    { operators: [...operators, operator], latestActivation },
    ...operators.map((moved, at) => ({ operators: [...operators.map((each, index) => index === at ? operator : each), moved], latestActivation })),
  ])))
}

function distinct(rosters: readonly Roster[]): readonly Roster[] {
  const byText = new Map(rosters.map(roster => [JSON.stringify(roster), roster]))
  return byText.size > MAX_POSSIBLE ? [] : [...byText.values()]
}

/** Whom the whitelist elects for an epoch by the randomness of the beacon root; `undefined`: nobody. */
export function elected({ operators, latestActivation }: Roster, epoch: number, root: Hex): Operator | undefined {
  const eligible = epoch >= latestActivation ? operators : operators.filter(({ activeSince }) => activeSince !== 0 && epoch >= activeSince)
  if (eligible.length === 0) return undefined
  return eligible[root === ZERO_HASH ? 0 : Number(BigInt(root) % BigInt(eligible.length))]
}
