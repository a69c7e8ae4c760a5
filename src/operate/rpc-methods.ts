import { commands } from './commands.js'
import type { Incidents } from './incidents.js'
import { int } from './json.js'
import { named, reads } from './methods.js'
import type { Methods } from './methods.js'
import { opP2p } from './op-p2p.js'
import { text } from './parameters.js'

/** What JSON-RPC offers: op-node's methods by their names, and every command as `preconf_…`. */
export function rpcMethods(incidents: Pick<Incidents, 'of'>): Methods {
  const why = reads({ peer: text }, async (on, { peer }) => {
    const standing = await named(commands, 'standing').run(on, { peer })
    const { counts, last } = incidents.of(peer)
    return () => ({
      ...standing() as object, counts,
      last: last.map(({ at, what, reason }) => ({ at: int(Math.floor(at)), what, reason })),
    })
  })
  return { ...opP2p, ...Object.fromEntries(Object.entries({ ...commands, why }).map(([name, method]) => [`preconf_${name}`, method])) }
}
