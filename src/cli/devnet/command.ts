import type { Command } from 'commander'
import { FAILED, StoppedBySignal } from '../failure.js'
import { argument, number, wholeNumber } from '../options/kinds.js'
import { JsonDisplay, PlainDisplay, TerminalDisplay } from './display.js'

interface DevnetOptions { readonly blocksPerSecond: number; readonly blocks: number; readonly l1?: boolean; readonly json?: boolean; readonly sink?: string }

const MORE_HELP = `
Two preconfers (alice and bob) take turns, fred follows, and lucy joins late and
catches up. Each is a process of its own with a temporary folder of its own.
At a terminal everything is drawn in place; without one there are plain lines.
With --json each line is an object: "started" (with the node's pid),
"published", "caughtUp", "failure", "nodes" every second, and at last "summary".
With --l1 who may sign is read from a real L1 development chain (anvil, which
npm ci --prefix test/l1 installs in a checkout): a lookahead, a blacklisting,
a reorg, an operator that leaves. "l1" and "l1Signers" tell of it.
Exit codes: 0 all four nodes hold the same chain, hash by hash; 1 they do not,
or something failed; 2 wrong options; 130 or 143 interrupted.`

/** `devnet`: four nodes on loopback, each in a process of its own, until every one of them holds the same chain. */
export function addDevnet(program: Command, untilSignal: () => AbortSignal): void {
  program
    .command('devnet')
    .description(
      'Runs two preconfers, a follower and a late joiner on loopback, shows what they do, and ends by itself with a summary.',
    )
    .option('--blocks-per-second <number>', 'how fast the preconfers publish, 0.1 to 50', argument(number(0.1, 50)), 2)
    .option('--blocks <number>', 'how many blocks, 8 to 2000', argument(wholeNumber(8, 2_000)), 48)
    .option('--l1', 'who may sign is read from a real L1 development chain, on which things happen')
    .option('--sink <url>', 'alice and fred take the ordered stream to this NATS server (nats://host:4222), and a consumer folds it')
    .option('--json', 'JSON lines for machines')
    .addHelpText('after', MORE_HELP)
    .action(async ({ blocksPerSecond, blocks, l1, json, sink }: DevnetOptions) => {
      if (l1 === true) (await import('./l1/play.js')).turnLength(blocks, blocksPerSecond)
      const output = process.stdout
      const display =
        json === true ? new JsonDisplay(output) : output.isTTY ? new TerminalDisplay(output) : new PlainDisplay(output)
      const signal = AbortSignal.any([untilSignal(), untilUnread(output)])
      // Loaded only now: other commands do not need it.
      const { runDevnet } = await import('./devnet.js')
      const summary = await runDevnet({ blocksPerSecond, blocks, display, l1: l1 === true, signal, sink })
      display.summary(summary)
      if (!summary.ok) process.exitCode = signal.reason instanceof StoppedBySignal ? signal.reason.exitCode : FAILED
    })
}

/** Aborted when nobody reads the output any more (`devnet | head`). */
function untilUnread(output: NodeJS.WritableStream): AbortSignal {
  const controller = new AbortController()
  output.on('error', error => controller.abort(error))
  return controller.signal
}
