/** A preconfer that signs by itself and talks to a node by JSON lines. Nothing of this library is used: do the same in any language. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { keccak_256 as keccak256 } from '@noble/hashes/sha3.js'
import { getPublicKey, signAsync } from '@noble/secp256k1'

const key = Uint8Array.from(Buffer.from('01'.repeat(32), 'hex')) // the preconfer's own key
const address = Buffer.from(keccak256(getPublicKey(key, false).subarray(1)).slice(12)).toString('hex')

const node = spawn(process.execPath, [new URL('../src/main.js', import.meta.url).pathname, 'run', '--stdio',
  '--signer', `0x${address}`, '--confirmed-tip', '999', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-discovery', '--in-memory', '--log-level', 'error'], { stdio: ['pipe', 'pipe', 'inherit'] })
const lines: AsyncIterator<string> = createInterface({ input: node.stdout })[Symbol.asyncIterator]()

interface Line { readonly event?: string; readonly id?: unknown; readonly result?: { readonly hash: string }; readonly error?: { readonly message: string } }

/** The next line that is wanted; events in between are passed over. */
async function next(wanted: (line: Line) => boolean): Promise<Line> {
  for (;;) {
    const read = await lines.next()
    if (read.done === true) throw new Error('the node has ended')
    const line = JSON.parse(read.value) as Line
    if (wanted(line)) return line
  }
}

async function ask(id: number, command: object): Promise<{ readonly hash: string }> {
  node.stdin.write(`${JSON.stringify({ ...command, id })}\n`)
  const { result, error } = await next(line => line.id === id)
  if (result === undefined) throw new Error(error?.message)
  return result
}

/** SSZ: uint256 is 32 bytes, the lowest first. */
const uint256 = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()

await next(({ event }) => event === 'ready')
const { hash } = await ask(1, { cmd: 'publishTxList', txlist: '07'.repeat(1_000) })

const commitment = Buffer.concat([
  Buffer.from([0]), uint256(1_000n), uint256(1_800_000_000n), uint256(30_000_000n), Buffer.alloc(20), uint256(500n), // eop, blockNumber, timestamp, gasLimit, coinbase, anchor
  Buffer.from(hash, 'hex'), Buffer.alloc(32), uint256(BigInt(Math.ceil(Date.now() / 1_000) + 60)), Buffer.alloc(20), uint256(1n), // txlist, parent, window, prover, proposal
  Buffer.alloc(20), // slasher
])
const domain = Buffer.from('TAIKO_PRECONF_DOMAIN_PLACEHOLDER')
const [v, ...rs] = await signAsync(keccak256(Buffer.concat([domain, commitment])), key, { prehash: false, lowS: true, format: 'recovered' })
const ssz = Buffer.concat([commitment, Buffer.from(rs), Buffer.from([v!])]) // r ‖ s ‖ v, v from 0 to 3
const published = await ask(2, { cmd: 'publishCommitment', ssz: ssz.toString('hex') })
console.log('published', published.hash === Buffer.from(keccak256(commitment.subarray(0, 297))).toString('hex'))
node.stdin.end() // the end of its input ends the node
