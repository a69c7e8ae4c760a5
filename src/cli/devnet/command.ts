import type { Command } from 'commander'
import { numberOption } from '../options.js'
import { runDevnet } from './devnet.js'
import { JsonDisplay, PlainDisplay, TerminalDisplay } from './display.js'

interface DevnetOptions { readonly blocksPerSecond: number; readonly blocks: number; readonly json: boolean }

/** `devnet`: four nodes on loopback, each in a process of its own, until every one of them holds the same chain. */
export function addDevnet(program: Command, untilSignal: () => AbortSignal): void {
  program.command('devnet')
    .description('Runs two preconfers, a follower and a late joiner on loopback, shows what they do, and ends by itself with a summary.')
    .option('--blocks-per-second <number>', 'how fast the preconfers publish', numberOption(0.1, 50), 2)
    .option('--blocks <number>', 'how many blocks', numberOption(8, 2_000), 48)
    .option('--json', 'JSON lines in place of the table', false)
    .action(async ({ blocksPerSecond, blocks, json }: DevnetOptions) => {
      const display = json ? new JsonDisplay() : process.stdout.isTTY ? new TerminalDisplay() : new PlainDisplay()
      const summary = await runDevnet({ blocksPerSecond, blocks: Math.floor(blocks), display, signal: untilSignal() })
      display.summary(summary)
      process.exitCode = summary.ok ? 0 : 1
    })
}
