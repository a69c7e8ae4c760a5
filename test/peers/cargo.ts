import { spawn, spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The cargo project: seen from `dist/test/peers`. */
const PROJECT = fileURLToPath(new URL('../../../test/peers/rust/', import.meta.url))

/** The `cargo` of the search path, or of where rustup puts it; `undefined` where there is none. */
export function findCargo(): string | undefined {
  const places = ['cargo', join(homedir(), '.cargo', 'bin', 'cargo')]
  return places.find(place => spawnSync(place, ['--version']).status === 0)
}

/** Builds the Rust peer where it is not built yet; gives its program. The first time it fetches and compiles libp2p: minutes. */
export async function buildRustPeer(cargo: string): Promise<string> {
  const args = ['build', '--release', '--manifest-path', join(PROJECT, 'Cargo.toml'), '--target-dir', join(PROJECT, 'target')]
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(cargo, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0) throw new Error(`cargo build ended with exit code ${code}`)
  return join(PROJECT, 'target', 'release', process.platform === 'win32' ? 'rust-peer.exe' : 'rust-peer')
}
