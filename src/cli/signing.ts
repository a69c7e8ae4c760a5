import { readFile, writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { textOf } from '../protocol/text-of.js'
import { standardInput } from './input.js'
import { UsageError } from './failure.js'

const MORE_HELP = `
DATA-DIR is that of a node that is not running. The file is JSON (docs/signing.md). An
import merges: it only ever forbids more, and again it changes nothing.`

/** `signing`: what this node has signed, in and out, so that its key can move to another machine. */
export function addSigning(program: Command): void {
  const signing = program.command('signing').description('What a node has signed: in and out of its data directory.').addHelpText('after', MORE_HELP)
  signing
    .command('export <data-dir>')
    .description('Gives the records as JSON on standard output.')
    .option('--to <file>', 'write them to a new file instead, readable by its owner only')
    .action(async (dataDir: string, { to }: { to?: string }) => {
      const { exportSigned } = await library()
      const text = `${JSON.stringify(await exportSigned(dataDir), undefined, 2)}\n`
      if (to === undefined) process.stdout.write(text)
      else await writeFile(to, text, { flag: 'wx', mode: 0o600 })
    })
  signing
    .command('import <data-dir>')
    .description('Takes records from standard input, as "export" gives them. The directory is made where it is missing.')
    .option('--from <file>', 'take them from a file instead')
    .action(async (dataDir: string, { from }: { from?: string }) => {
      const { importSigned } = await library()
      const text = textOf(from === undefined ? await standardInput() : await readFile(from))
      const { records, added, conflicts } = await importSigned(dataDir, parse(text))
      process.stdout.write(`${records} records, ${added} of them new\n`)
      for (const { address, submissionWindowEnd, blockNumber } of conflicts) {
        process.stderr.write(`${address} has signed two commitments for height ${blockNumber} of the window that ends at ${submissionWindowEnd}: both are recorded\n`)
      }
    })
}

// Loaded when it is needed: help needs none of it.
const library = () => import('../actors/store/interchange.js')

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError('the records are no JSON')
  }
}
