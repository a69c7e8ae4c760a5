/** What a node says of itself when it has started: one block of text at a terminal, one JSON line elsewhere. Never a secret. */
import type { Logger } from '../actors/kernel/index.js'
import type { P2pService } from '../actors/service/index.js'
import { DEFAULT_DOMAIN, parseDomain, toHex } from '../protocol/index.js'
import { messageOf } from '../protocol/thrown.js'
import type { LogOutput } from './log.js'
import { shown } from './options/given.js'
import type { Settings } from './options/settings.js'
import type { Place } from './place.js'

export type Started = Pick<P2pService, 'peerId' | 'listenAddresses' | 'enr' | 'health' | 'figures' | 'outlook'>

/** What is told. `undefined`: there is none, or nothing is known of it. */
export interface Start {
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly enr: string | undefined
  readonly chainId: string
  readonly domain: string
  readonly placeholderDomain: boolean
  readonly signer: string | undefined
  readonly dataDir: string | undefined
  readonly head: string | undefined
  readonly confirmedTip: string | undefined
  readonly schedule: string
  readonly signatures: string
}

/** The log's words: at a terminal they are the block's, too. */
export const PLACEHOLDER = 'the signing domain is the protocol\'s placeholder: on a real network give --chain.domain'

/** @param terminal whether people read the log as it is written */
export async function tellStart(settings: Settings, place: Place, node: Started, log: Logger, output: LogOutput, terminal = process.stderr.isTTY): Promise<void> {
  const start = await startOf(settings, place, node)
  if (terminal && ['trace', 'debug', 'info'].includes(settings.get('log.level'))) output.write(startText(start))
  else {
    log.info({ ...start }, 'listening')
    if (start.placeholderDomain) log.warn({}, PLACEHOLDER)
  }
}

async function startOf(settings: Settings, { dataDir }: Place, node: Started): Promise<Start> {
  const [addresses, enr, health, figures, signing] = await Promise.all([
    node.listenAddresses(), node.enr().catch(() => undefined), node.health(), node.figures(), node.outlook.signing().catch(() => undefined),
  ])
  const given = settings.get('chain.domain')
  const domain = given === undefined ? DEFAULT_DOMAIN : parseDomain(given)
  const slow = health.ailments.some(({ code }) => code === 'slow_signatures')
  return {
    peerId: node.peerId, addresses, enr, chainId: String(settings.get('chain.id')),
    domain: `0x${toHex(domain)}`, placeholderDomain: Buffer.compare(domain, DEFAULT_DOMAIN) === 0,
    signer: signing?.signer === undefined ? undefined : `0x${toHex(signing.signer)}`,
    dataDir,
    head: health.head === undefined || health.head.blockNumber === 0n ? undefined : String(health.head.blockNumber),
    confirmedTip: figures.chain?.confirmedTip === undefined ? undefined : String(figures.chain.confirmedTip.blockNumber),
    schedule: await scheduleOf(settings, node, figures.schedule),
    signatures: `${health.signatures}${slow ? ': recovery takes several times as long as with the native library; install secp256k1 for this platform' : ''}`,
  }
}

async function scheduleOf(settings: Settings, node: Started, followed: Awaited<ReturnType<Started['figures']>>['schedule']): Promise<string> {
  if (followed !== undefined) {
    const from = settings.get('l1.rpc').map(url => shown('l1.rpc', url)).join(', ')
    return followed.head === undefined ? `L1 by ${from}, not read yet` : `L1 by ${from}, block ${followed.head.number} (${followed.headAge} s old${followed.fresh ? '' : ', stale'})`
  }
  const file = settings.get('schedule.file')
  if (file === undefined) return `always ${settings.get('schedule.signer').join(' or ')}`
  return node.outlook.upcoming().then(() => `${file}, read`, (error: unknown) => `${file}, unreadable: ${messageOf(error)}`)
}

/** For people. */
export function startText({ peerId, addresses, enr, chainId, domain, placeholderDomain, signer, dataDir, head, confirmedTip, schedule, signatures }: Start): string {
  const rows: readonly (readonly [string, string])[] = [
    ['peer', peerId],
    ...addresses.map(address => ['listens', address] as const),
    ['enr', enr ?? 'none: discovery is off'],
    ['chain', chainId],
    ['domain', domain],
    ...placeholderDomain ? [['WARNING', PLACEHOLDER] as const] : [],
    ['signer', signer ?? 'none: commitments come signed'],
    ['data', dataDir ?? 'in memory: gone at the end'],
    ['head', `${head ?? 'none'}, confirmed tip ${confirmedTip ?? 'none'}`],
    ['schedule', schedule],
    ['secp256k1', signatures],
  ]
  return `${rows.map(([name, text]) => `  ${name.padEnd(10)} ${text}`).join('\n')}\n`
}
