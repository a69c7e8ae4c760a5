import type { Command } from 'commander'
import { FAILED } from './failure.js'

const MORE_HELP = `
DATA-DIR is that of a node that is not running. What to do when: docs/operating-store.md.
Exit codes: 0 the store is as it was written, or was put right; 1 something is wrong.`

/** `store`: whether a node's store is as it was written, and what can be done where it is not. */
export function addStore(program: Command): void {
  const store = program.command('store').description('The store in a data directory: whether it is whole, and what can be put right.').addHelpText('after', MORE_HELP)
  store
    .command('check <data-dir>')
    .description('Looks at every file and every record, and changes nothing.')
    .action(async (dataDir: string) => {
      const { checkStore } = await library()
      const { problems, notes } = await checkStore(dataDir)
      say(problems)
      say(notes.map(note => `note: ${note}`))
      process.stdout.write(problems.length === 0 ? 'the store is as it was written\n' : `${problems.length} problems: "store repair" puts right what can be\n`)
      if (problems.length > 0) process.exitCode = FAILED
    })
  store
    .command('repair <data-dir>')
    .description('Takes out what is damaged, and puts together what is left. Files go to store/lost, nothing is deleted.')
    .action(async (dataDir: string) => {
      const { repairStore } = await library()
      const { problems, lost } = await repairStore(dataDir)
      say(problems)
      process.stdout.write(problems.length === 0 ? 'there was nothing to repair\n' : 'repaired: what is missing is fetched from peers when the node runs\n')
      if (lost !== undefined) process.stdout.write(`records of what was signed may be lost: nothing is signed for windows that end at ${lost.signingClosedUpTo} or before\n`)
    })
}

const library = () => import('../actors/store/maintenance.js')

/** One line each, as many as somebody reads. */
function say(lines: readonly string[]): void {
  for (const line of lines.slice(0, MOST_LINES)) process.stdout.write(`${line}\n`)
  if (lines.length > MOST_LINES) process.stdout.write(`… and ${lines.length - MOST_LINES} more\n`)
}

const MOST_LINES = 100
