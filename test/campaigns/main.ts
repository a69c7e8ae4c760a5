import { readdir } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import type { Campaign } from './campaign.js'

/** Files of this folder that are no campaigns. */
const NOT_CAMPAIGNS = new Set(['main', 'campaign'])

async function campaignNames(): Promise<string[]> {
  const files = await readdir(new URL('.', import.meta.url))
  const names = files.filter(file => file.endsWith('.js') && !file.endsWith('.test.js')).map(file => file.slice(0, -3))
  return names.filter(name => !NOT_CAMPAIGNS.has(name)).sort()
}

function isCampaign(loaded: unknown): loaded is { readonly campaign: Campaign } {
  return typeof loaded === 'object' && loaded !== null && 'campaign' in loaded
}

async function load(name: string): Promise<Campaign> {
  const loaded: unknown = await import(new URL(`./${name}.js`, import.meta.url).href)
  if (!isCampaign(loaded)) throw new Error(`test/campaigns/${name}.ts exports no \`campaign\``)
  return loaded.campaign
}

function number(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError(`${text} is not a whole number from 0 on`)
  return value
}

async function run(name: string, campaign: Campaign, flags: Readonly<Record<string, number>>): Promise<number> {
  const { options } = campaign
  const seed = flags['seed'] ?? Math.floor(Math.random() * 2 ** 31)
  const given = Object.fromEntries(Object.keys(options).map(each => [each, flags[each] ?? options[each]?.default ?? 0]))
  const shown = Object.entries(given).map(([option, value]) => ` --${option} ${value}`).join('')
  console.log(`${name}${shown} --seed ${seed}`)
  const tally = await campaign.run({ seed, options: given, log: line => { console.log(line) } })
  for (const failure of tally.failures) console.log(`FAILED ${failure}`)
  console.log(tally.toString())
  return tally.failures.length === 0 ? 0 : 1
}

/** `npm run campaign -- NAME [options]`: the last line is `N passed, M failed`. Exits 0 only if nothing failed. */
const program = new Command('campaign').description('Long trials of the whole node. Exits 0 only if nothing failed.')
const names = await campaignNames()
for (const name of names) {
  const campaign = await load(name)
  const command = program.command(name).description(campaign.about).option('--seed <n>', 'repeats a run as far as chance goes', number)
  for (const [option, { about, default: value }] of Object.entries(campaign.options)) {
    command.option(`--${option} <n>`, `${about} (default ${value})`, number)
  }
  command.action(async (flags: Readonly<Record<string, number>>) => { process.exitCode = await run(name, campaign, flags) })
}
program.argument('[name]', 'which campaign; without it, their names').action((name: string | undefined) => {
  if (name !== undefined) console.error(`unknown campaign: ${name}`)
  console.error(`campaigns:\n${program.commands.map(each => `  ${each.name().padEnd(12)} ${each.description()}`).join('\n')}`)
  process.exitCode = 2
})
await program.parseAsync()
