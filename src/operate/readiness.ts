/** Whether the node is ready for work, and what it knows of who may sign (docs/operating.md, "Health"). */
import { systemClock, withinMs } from '../actors/kernel/index.js'
import type { Health } from '../actors/service/index.js'
import { messageOf } from '../protocol/thrown.js'
import { toHex } from '../protocol/index.js'
import { int } from './json.js'
import type { JsonObject } from './json.js'
import { reads } from './methods.js'
import type { Methods, OperatedNode } from './methods.js'
import { count, optional } from './parameters.js'

export const READINESS_PARTS = ['store', 'listening', 'peers', 'inStep', 'schedule', 'confirmations', 'signing'] as const
export type ReadinessPart = typeof READINESS_PARTS[number]

/** `why`: what is amiss, where it is not ready; else how it stands. */
export interface PartReadiness { readonly ready: boolean; readonly why: string }
export interface Readiness {
  readonly ready: boolean
  readonly parts: Readonly<Record<ReadinessPart, PartReadiness>>
}

/** The head may be so many blocks below the highest that is known. */
const IN_STEP_WITHIN = 8n
/** How long the schedule may take to answer, ms. */
const WITHIN = 1_000

const ready = (why: string): PartReadiness => ({ ready: true, why })
const amiss = (why: string): PartReadiness => ({ ready: false, why })

/** Asks every part; never rejects: a part that does not answer is not ready. @param asked the health, where it is asked for anyway */
export async function readinessOf(node: OperatedNode, asked = node.health()): Promise<Readiness> {
  const [health, addresses, schedule, signing] = await Promise.all([
    asked, node.listenAddresses().catch(() => undefined), scheduleOf(node), signingOf(node),
  ])
  const parts = {
    store: storeOf(health),
    listening: addresses === undefined ? amiss('the network does not answer') : addresses.length === 0 ? amiss('it listens on no address') : ready(addresses.join(', ')),
    peers: health.peers === 0 ? amiss('no peer is connected') : ready(`${health.peers} connected`),
    inStep: inStepOf(health),
    // with L1 the follower's own word counts: windows that it knows still answer when L1 is gone
    schedule: ofAilments(health, ['schedule_unread', 'schedule_stale']) ?? schedule,
    confirmations: ofAilments(health, ['tip_unread', 'tip_stale']) ?? ready('no L2 client is asked, or it answers'),
    signing,
  }
  return { ready: health.status !== 'stopping' && Object.values(parts).every(part => part.ready), parts }
}

const ofAilments = ({ ailments }: Health, codes: readonly string[]): PartReadiness | undefined => {
  const found = ailments.find(({ code }) => codes.includes(code))
  return found === undefined ? undefined : amiss(found.message)
}

function storeOf(health: Health): PartReadiness {
  return ofAilments(health, ['store_failing'])
    ?? (health.durable === undefined ? amiss('the store does not answer') : ready(health.durable ? 'on disk' : 'in memory'))
}

function inStepOf(health: Health): PartReadiness {
  const { head, known, announced } = health
  if (head === undefined) return amiss('chain does not answer')
  const highest = [known ?? 0n, announced ?? 0n].reduce((a, b) => a > b ? a : b)
  const behind = highest - head.blockNumber
  if (behind > IN_STEP_WITHIN) return amiss(`head ${head.blockNumber}, highest seen ${highest}: ${behind} behind, ${IN_STEP_WITHIN} may be`)
  return ofAilments(health, ['behind']) ?? ready(`head ${head.blockNumber}`)
}

async function scheduleOf(node: OperatedNode): Promise<PartReadiness> {
  try {
    const answer = node.outlook.upcoming()
    if (!await withinMs(systemClock, WITHIN, answer)) return amiss('the schedule does not answer')
    const upcoming = await answer
    return ready(upcoming.length === 0 ? 'it does not say who signs next' : `next: ${upcoming.slice(0, 3).map(({ address }) => `0x${toHex(address)}`).join(', ')}`)
  } catch (error) {
    return amiss(messageOf(error))
  }
}

async function signingOf(node: OperatedNode): Promise<PartReadiness> {
  try {
    const { signer, held, closedUpTo, ownEquivocation } = await node.outlook.signing()
    if (signer === undefined) return ready('no signer here')
    if (ownEquivocation !== undefined) return amiss('our own key has signed two commitments that exclude each other')
    if (closedUpTo !== undefined) return amiss(`nothing is signed for windows that end at ${closedUpTo} or before: records may be lost`)
    return held ? amiss('nothing is signed before the first catch-up has ended') : ready(`0x${toHex(signer)}`)
  } catch (error) {
    return amiss(messageOf(error))
  }
}

export const readinessJson = ({ ready: all, parts }: Readiness): JsonObject =>
  ({ ready: all, parts: Object.fromEntries(READINESS_PARTS.map(name => [name, { ready: parts[name].ready, why: parts[name].why }])) })

export const readinessCommands: Methods = {
  health: reads({}, async ({ node }) => {
    const readiness = await readinessOf(node)
    return () => readinessJson(readiness)
  }),
  signing: reads({}, async ({ node }) => {
    const { signer, held, closedUpTo, ownEquivocation } = await node.outlook.signing()
    return () => ({
      signer: signer === undefined ? null : toHex(signer), held, closedUpTo: closedUpTo === undefined ? null : int(closedUpTo), ownEquivocation: ownEquivocation !== undefined,
    })
  }),
  schedule: reads({ time: optional(count) }, async ({ node }, { time }) => {
    const [upcoming, windows] = await Promise.all([node.outlook.upcoming(), node.outlook.windows(time)])
    return () => ({
      upcoming: upcoming.map(({ address, submissionWindowEnd }) => ({ signer: toHex(address), submissionWindowEnd: submissionWindowEnd === undefined ? null : int(submissionWindowEnd) })),
      windows: windows === undefined ? null : windows.map(({ from, to, as, signers, why }) => ({ from: int(from), to: int(to), as, signers: [...signers], why })),
    })
  }),
}
