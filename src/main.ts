#!/usr/bin/env node
/** The command line. Signal handlers are installed here and nowhere else. */
import './polyfill.js'
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addDevnet } from './cli/devnet/command.js'
import { UsageError } from './cli/options.js'
import { addRun } from './cli/run.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process at once (H32). */
function untilSignal(): AbortSignal {
  const controller = new AbortController()
  const on = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    controller.abort(new Error(`stopped by ${signal}`))
  }
  process.on('SIGINT', on)
  process.on('SIGTERM', on)
  return controller.signal
}

const program = new Command('preconfirmation-p2p')
  .description('Gossips, validates, stores and serves the preconfirmations of a Taiko chain.')
  .version(version)
  .exitOverride()
addRun(program, untilSignal)
addDevnet(program, untilSignal)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode
  else {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    console.error(`preconfirmation-p2p: ${error instanceof Error ? error.message : String(error)}${code}`)
    process.exitCode = error instanceof UsageError ? 2 : 1
  }
}
