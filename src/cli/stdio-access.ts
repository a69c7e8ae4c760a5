/** The commands of `run --stdio` for lists, bans and discovery (docs/stdio.md, SPEC §8). */
import type { Ban } from '../actors/reputation/ingress.js'
import { int } from './json.js'
import type { JsonObject } from './json.js'
import type { Command } from './stdio-commands.js'

const nothing = (): JsonObject => ({})
const ban = ({ peer, reason, until }: Ban): JsonObject => ({ peer, reason, until: int(Math.floor(until)) })

export const accessCommands: Readonly<Record<string, Command>> = {
  block: async ({ node }, fields) => {
    await node.access.block(fields.text('rule'))
    return nothing
  },
  unblock: async ({ node }, fields) => {
    const found = await node.access.unblock(fields.text('rule'))
    return () => ({ found })
  },
  protect: async ({ node }, fields) => {
    await node.access.protect(fields.text('peer'))
    return nothing
  },
  unprotect: async ({ node }, fields) => {
    const found = await node.access.unprotect(fields.text('peer'))
    return () => ({ found })
  },
  lists: async ({ node }) => {
    const lists = await node.access.lists()
    return () => ({ blocked: [...lists.blocked], protected: [...lists.protected], allowed: [...lists.allowed] })
  },
  ban: async ({ node }, fields) => {
    const reason = fields.optionalText('reason')
    const made = await node.access.ban(fields.text('peer'), {
      ...(fields.has('forMs') ? { forMs: fields.count('forMs') } : {}),
      ...(reason === undefined ? {} : { reason }),
    })
    return () => ({ ban: ban(made) })
  },
  liftBan: async ({ node }, fields) => {
    const found = await node.access.liftBan(fields.text('peer'))
    return () => ({ found })
  },
  bans: async ({ node }) => {
    const bans = await node.access.bans()
    return () => ({ bans: bans.map(ban) })
  },
  standings: async ({ node }) => {
    const standings = await node.access.standings()
    return () => ({
      standings: standings.map(({ peer, reputation, gossipScore, protected: kept, ban: banned }) => ({
        peer, reputation, gossipScore, protected: kept, ban: banned === undefined ? null : ban(banned),
      })),
    })
  },
  addBootnode: async ({ node }, fields) => {
    await node.addBootnode(fields.text('bootnode'))
    return nothing
  },
  enr: async ({ node }) => {
    const enr = await node.enr()
    return () => ({ enr: enr ?? null })
  },
}
