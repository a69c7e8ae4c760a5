import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { IdentityType } from '../actors/network/identity.js'
import { standardInput } from './input.js'

const MORE_HELP = `
FILE holds the network identity in libp2p's protobuf form of a private key, readable
by its owner only; "run --key-file FILE" takes it. No command overwrites a file.`

const TYPES: Readonly<Record<string, IdentityType>> = { ed25519: 'Ed25519', secp256k1: 'secp256k1' }

/** `identity`: the network identity in a file, and who it is. */
export function addIdentity(program: Command): void {
  const identity = program.command('identity').description('The network identity: who it is, a new one, in and out.').addHelpText('after', MORE_HELP)
  identity
    .command('show <file>')
    .description('Says the peer id and the type of its key.')
    .action(async (file: string) => {
      const { exportIdentity, parseIdentity } = await library()
      await say(await parseIdentity(await exportIdentity(file), file))
    })
  identity
    .command('create <file>')
    .description('Makes a new one, and says its peer id.')
    .addOption(new Option('--type <type>', 'Ed25519 is cheaper for everybody who hears of it').choices(Object.keys(TYPES)).default('ed25519'))
    .action(async (file: string, { type }: { type: string }) => {
      const { createIdentity } = await library()
      await say(await createIdentity(file, TYPES[type]))
    })
  identity
    .command('import <file>')
    .description('Takes one from standard input, base64 as "export" gives it, and says its peer id.')
    .option('--from <other>', 'take it from a file instead: base64, or the bytes themselves')
    .action(async (file: string, { from }: { from?: string }) => {
      const { importIdentity } = await library()
      await say(await importIdentity(file, secretIn(from === undefined ? await standardInput() : await readFile(from))))
    })
  identity
    .command('export <file>')
    .description('Gives it in base64 on standard output: whoever has it can pose as this node.')
    .option('--to <other>', 'write the bytes to a new file instead, readable by its owner only')
    .action(async (file: string, { to }: { to?: string }) => {
      const { exportIdentity, writeExport } = await library()
      const bytes = await exportIdentity(file)
      if (to === undefined) process.stdout.write(`${Buffer.from(bytes).toString('base64')}\n`)
      else await writeExport(to, bytes)
    })
}

// Loaded on demand: help does not need it.
const library = () => import('../actors/network/identity.js')

async function say(key: Parameters<Awaited<ReturnType<typeof library>>['peerKeyOf']>[0]): Promise<void> {
  const { peerKeyOf } = await library()
  process.stdout.write(`${peerKeyOf(key)} ${key.type}\n`)
}

/** Text that is base64 all over stands for its bytes. A key's own bytes begin with 0x08, which is none of its letters. */
function secretIn(bytes: Buffer): Uint8Array {
  const text = bytes.toString('latin1').trim()
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : bytes
}
