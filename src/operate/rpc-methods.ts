import { commands } from './commands.js'
import type { Incidents } from './incidents.js'
import { int } from './json.js'
import { named, reads } from './methods.js'
import type { Methods } from './methods.js'
import { opP2p } from './op-p2p.js'
import { CommandError, flag, heightOrCursor, optional, text } from './parameters.js'

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
  const subscribe = reads({ what: text, from: optional(heightOrCursor), withTxList: optional(flag) }, async ({ subscriptions }, { what, from, withTxList = false }) => {
    if (subscriptions === undefined) throw new CommandError('bad_command', 'subscriptions come over the socket; over HTTP there are Server-Sent Events: GET /events, GET /blocks')
    if (what !== 'events' && what !== 'blocks') throw new CommandError('bad_field', '"what" is "events" or "blocks"', what)
    if ((what === 'blocks') !== (from !== undefined)) throw new CommandError(from === undefined ? 'missing_field' : 'bad_field', '"from", a height or a cursor, is for "blocks"')
    const subscription = from === undefined ? subscriptions.events() : subscriptions.blocks(from, withTxList)
    return () => subscription
  })
  const unsubscribe = reads({ subscription: text }, async ({ subscriptions }, { subscription }) => {
    const found = subscriptions?.end(subscription) === true
    return () => found
  })
  return { ...opP2p, ...Object.fromEntries(Object.entries({ ...commands, why, subscribe, unsubscribe }).map(([name, method]) => [`preconf_${name}`, method])) }
}
