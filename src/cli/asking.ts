import { join } from 'node:path'
import type { Command } from 'commander'
import type { JsonObject } from '../operate/json.js'
import { SOCKET_NAME } from '../operate/socket-name.js'
import * as show from './asking-shown.js'
import { UsageError } from './failure.js'
import { addOptions } from './options/flags.js'
import { argument, bigNumber, number, wholeNumber } from './options/kinds.js'
import type { Settings } from './options/settings.js'
import { dataDirOf } from './place.js'

/** `settings`: which node is asked. */
interface Where { readonly settings: Settings; readonly json?: boolean }

const WHICH = ['config', 'preset', 'instance', 'chain.id', 'data-dir', 'in-memory', 'ipc.path'] as const

const MORE_HELP = `
It asks a running node through its socket, which it finds by the same options
(flags, variables, --config) that the node was started with. Exit codes: 0 answered, 1 refused or no node, 2 wrong options.`

/** Commands that ask or steer a running node. */
export function addAsking(program: Command): void {
  const command = (usage: string, about: string): Command => {
    const made = program.command(usage).description(about).option('--json', 'JSON for machines').addHelpText('after', MORE_HELP)
    const read = addOptions(made, WHICH)
    return made.hook('preAction', () => { made.setOptionValue('settings' satisfies keyof Where, read()) })
  }

  command('status', 'How a running node is: readiness, head, peers, what ails it.')
    .action(async (where: Where) => {
      const [health, status] = [await asked(where, 'preconf_health'), await asked(where, 'preconf_status')]
      say(where, { health, status }, () => show.status(health, status))
    })
  command('peers', 'The peers of a running node.')
    .action(async (where: Where) => { await tell(where, 'preconf_peers', {}, show.peers) })
  command('why <peer>', 'How a running node sees a peer: its score, its ban, and what it was found at.')
    .action(async (peer: string, where: Where) => { await tell(where, 'preconf_why', { peer }, show.why) })
  command('ban <peer>', 'Disconnects a peer and refuses it for a time.')
    .option('--for <seconds>', 'how long (default: an hour)', argument(number(1, 31_536_000)))
    .option('--reason <text>', 'why, for later readers')
    .action(async (peer: string, { for: seconds, reason, ...where }: Where & { readonly for?: number; readonly reason?: string }) => {
      await tell(where, 'preconf_ban', { peer, ...seconds !== undefined && { forMs: String(Math.round(seconds * 1_000)) }, ...reason !== undefined && { reason } }, show.banned)
    })
  command('unban <peer>', 'Ends a ban.')
    .action(async (peer: string, where: Where) => { await tell(where, 'preconf_liftBan', { peer }, show.found('the ban is lifted', 'there was no ban')) })
  command('block <rule>', 'Refuses a peer id, an IP address or a subnet from now on, over restarts.')
    .action(async (rule: string, where: Where) => { await tell(where, 'preconf_block', { rule }, () => `${rule} is blocked\n`) })
  command('unblock <rule>', 'Takes a rule of the block list back.')
    .action(async (rule: string, where: Where) => { await tell(where, 'preconf_unblock', { rule }, show.found('the rule is gone', 'there was no such rule')) })
  command('confirm', 'Moves the confirmed tip: what lies at or below it is settled.')
    .argument('<number>', 'the block that L1 has', argument(bigNumber))
    .option('--hash <hex>', 'the preconfirmation hash of that block')
    .action(async (number: bigint, { hash, ...where }: Where & { readonly hash?: string }) => {
      await tell(where, 'preconf_confirm', { blockNumber: String(number), ...hash !== undefined && { hash } }, () => `block ${number} is confirmed\n`)
    })
  command('rewind', 'Demotes every block above this one.')
    .argument('<number>', 'the block that stays', argument(bigNumber))
    .action(async (number: bigint, where: Where) => { await tell(where, 'preconf_rewind', { to: String(number) }, () => `rewound to block ${number}\n`) })
  command('evidence', 'Signed messages that convict a signer, oldest first.')
    .option('--from <number>', 'from this sequence number on', argument(wholeNumber(0, Number.MAX_SAFE_INTEGER)))
    .action(async ({ from = 0, ...where }: Where & { readonly from?: number }) => { await tell(where, 'preconf_evidence', { from: String(from) }, show.evidence) })
  command('actors', 'The parts of a running node: mailboxes, times, restarts.')
    .action(async (where: Where) => { await tell(where, 'preconf_actors', {}, show.actors) })
  command('enr', 'A running node\'s record for discovery.')
    .action(async (where: Where) => { await tell(where, 'preconf_enr', {}, show.enr) })
}

async function tell(where: Where, method: string, params: JsonObject, text: (answer: show.Shown) => string): Promise<void> {
  const answer = await asked(where, method, params)
  say(where, answer, () => text(answer))
}

async function asked(where: Where, method: string, params: JsonObject = {}): Promise<show.Shown> {
  const dataDir = dataDirOf(where.settings)
  const path = where.settings.get('ipc.path') ?? (dataDir === undefined ? undefined : join(dataDir, SOCKET_NAME))
  if (path === undefined) throw new UsageError('which node? one in memory has no socket but that of --ipc.path PATH')
  const { ask } = await import('../operate/client.js')
  return await ask(path, method, params) as show.Shown
}

function say({ json }: Where, answer: unknown, text: () => string): void {
  process.stdout.write(json === true ? `${JSON.stringify(answer)}\n` : text())
}
