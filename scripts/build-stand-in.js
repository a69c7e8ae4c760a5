#!/usr/bin/env node
/** Compiles the stand-in for Taiko's contracts (test/l1/StandIn.sol) to src/cli/devnet/l1/stand-in.ts. Needs `npm ci` in test/l1. */
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const target = new URL('../src/cli/devnet/l1/stand-in.ts', import.meta.url)
const solc = createRequire(fileURLToPath(new URL('../test/l1/package.json', import.meta.url)))('solc')

const content = readFileSync(new URL('../test/l1/StandIn.sol', import.meta.url), 'utf8')
const input = {
  language: 'Solidity', sources: { 'StandIn.sol': { content } },
  settings: { evmVersion: 'cancun', optimizer: { enabled: true, runs: 1 }, metadata: { bytecodeHash: 'none', appendCBOR: false }, outputSelection: { '*': { '*': ['evm.bytecode.object'] } } },
}
const output = JSON.parse(solc.compile(JSON.stringify(input)))
const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error')
if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
const lines = output.contracts['StandIn.sol'].StandIn.evm.bytecode.object.match(/.{1,140}/g).map(line => `  '${line}',`).join('\n')
writeFileSync(target, `/** SHA-256 of test/l1/StandIn.sol, as it was compiled by scripts/build-stand-in.js; test:l1 holds it against the file. */
export const STAND_IN_SOURCE = '${createHash('sha256').update(content).digest('hex')}'
/** Its creation code. */
export const STAND_IN_CODE = [\n${lines}\n].join('')\n`)
