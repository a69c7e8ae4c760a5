/** Commands for lists, bans and discovery (docs/stdio.md, SPEC §8). */
import type { Ban, Standing } from '../actors/reputation/ingress.js'
import { int } from './json.js'
import type { JsonObject } from './json.js'
import { nothing, reads, steers } from './methods.js'
import type { Methods } from './methods.js'
import { count, optional, text } from './parameters.js'

const ban = ({ peer, reason, until }: Ban): JsonObject => ({ peer, reason, until: int(Math.floor(until)) })
const standing = ({ peer, reputation, gossipScore, protected: kept, ban: banned }: Standing): JsonObject =>
  ({ peer, reputation, gossipScore, protected: kept, ban: banned === undefined ? null : ban(banned) })

export const accessCommands: Methods = {
  block: steers({ rule: text }, async ({ node }, { rule }) => {
    await node.access.block(rule)
    return nothing
  }),
  unblock: steers({ rule: text }, async ({ node }, { rule }) => {
    const found = await node.access.unblock(rule)
    return () => ({ found })
  }),
  protect: steers({ peer: text }, async ({ node }, { peer }) => {
    await node.access.protect(peer)
    return nothing
  }),
  unprotect: steers({ peer: text }, async ({ node }, { peer }) => {
    const found = await node.access.unprotect(peer)
    return () => ({ found })
  }),
  lists: reads({}, async ({ node }) => {
    const lists = await node.access.lists()
    return () => ({ blocked: [...lists.blocked], protected: [...lists.protected], allowed: [...lists.allowed] })
  }),
  ban: steers({ peer: text, forMs: optional(count), reason: optional(text) }, async ({ node }, { peer, forMs, reason }) => {
    const made = await node.access.ban(peer, { ...forMs !== undefined && { forMs }, ...reason !== undefined && { reason } })
    return () => ({ ban: ban(made) })
  }),
  liftBan: steers({ peer: text }, async ({ node }, { peer }) => {
    const found = await node.access.liftBan(peer)
    return () => ({ found })
  }),
  bans: reads({}, async ({ node }) => {
    const bans = await node.access.bans()
    return () => ({ bans: bans.map(ban) })
  }),
  standings: reads({}, async ({ node }) => {
    const standings = await node.access.standings()
    return () => ({ standings: standings.map(standing) })
  }),
  standing: reads({ peer: text }, async ({ node }, { peer }) => {
    const found = await node.access.standing(peer)
    return () => ({ standing: standing(found) })
  }),
  addBootnode: steers({ bootnode: text }, async ({ node }, { bootnode }) => {
    await node.addBootnode(bootnode)
    return nothing
  }),
  enr: reads({}, async ({ node }) => {
    const enr = await node.enr()
    return () => ({ enr: enr ?? null })
  }),
}
