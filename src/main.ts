#!/usr/bin/env node
/** The command line. Signal handlers are installed here and nowhere else. */
import './polyfill.js'
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addAsking } from './cli/asking.js'
import { addCompletion } from './cli/completion.js'
import { addDevnet } from './cli/devnet/command.js'
import { addIdentity } from './cli/identity.js'
import { StoppedBySignal, WRONG_OPTIONS, describeFailure, exitCodeOf } from './cli/failure.js'
import { addRun } from './cli/run.js'
import { addSchedule } from './cli/schedule.js'
import { addSigning } from './cli/signing.js'
import { addStore } from './cli/store.js'

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process at once (H32). */
function untilSignal(): AbortSignal {
  const controller = new AbortController()
  const on = (signal: 'SIGINT' | 'SIGTERM'): void => {
    const reason = new StoppedBySignal(signal)
    if (controller.signal.aborted) process.exit(reason.exitCode)
    controller.abort(reason)
  }
  process.on('SIGINT', on)
  process.on('SIGTERM', on)
  return controller.signal
}

/** What commander finds wrong, as every other error is told. */
const oneLine = (text: string): string => text.trim().replace(/^error: /, 'preconfirmation-p2p: ').replaceAll('\n', ' ').concat(' (from the command line)')

/** SIGHUP, which would end the process where nobody takes it. */
function onHangup(then: () => void): void { process.on('SIGHUP', then) }

async function main(): Promise<void> {
  // A log that nobody reads any more must not end the node.
  process.stderr.on('error', () => undefined)
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  const program = new Command('preconfirmation-p2p')
    .description('Gossips, validates, stores and serves the preconfirmations of a Taiko chain.')
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => { write(`${oneLine(text)}\n`) } })
  addRun(program, untilSignal, onHangup)
  addAsking(program)
  addCompletion(program)
  addDevnet(program, untilSignal)
  addIdentity(program)
  addSchedule(program, untilSignal)
  addSigning(program)
  addStore(program)
  try {
    await program.parseAsync()
  } catch (error) {
    // Commander has said by itself what is wrong; 0: it was asked for help or for the version.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : WRONG_OPTIONS
    else {
      console.error(`preconfirmation-p2p: ${describeFailure(error)}`)
      process.exitCode = exitCodeOf(error)
    }
  }
}

await main()
