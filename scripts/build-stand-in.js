#!/usr/bin/env node
/** Compiles the stand-in for Taiko's contracts (test/l1/chain/StandIn.sol) to stand-in.ts beside it. Needs `npm ci` in test/l1. */
import { createRequire } from 'node:module'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('../test/l1/chain/', import.meta.url)
const solc = createRequire(fileURLToPath(new URL('../test/l1/package.json', import.meta.url)))('solc')

/** The creation code, as hex without 0x. */
export function compileStandIn() {
  const input = {
    language: 'Solidity', sources: { 'StandIn.sol': { content: readFileSync(new URL('StandIn.sol', folder), 'utf8') } },
    settings: { evmVersion: 'cancun', optimizer: { enabled: true, runs: 1 }, metadata: { bytecodeHash: 'none', appendCBOR: false }, outputSelection: { '*': { '*': ['evm.bytecode.object'] } } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input)))
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
  return output.contracts['StandIn.sol'].StandIn.evm.bytecode.object
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lines = compileStandIn().match(/.{1,140}/g).map(line => `  '${line}',`).join('\n')
  writeFileSync(new URL('stand-in.ts', folder), `/** The creation code of StandIn.sol, by scripts/build-stand-in.js; test:l1 holds one against the other. */\nexport const STAND_IN_CODE = [\n${lines}\n].join('')\n`)
}
