import { homedir } from 'node:os'
import { isAbsolute, posix, win32 } from 'node:path'
import { UsageError } from './failure.js'
import type { Environment } from './options/settings.js'

const NAME = 'preconfirmation-p2p'

/**
 * Where a node keeps what it learns when nobody says: in the platform's folder for the data of programs, apart for each chain and instance.
 * @throws UsageError where the platform has none
 */
export function defaultFolder(chainId: bigint, instance: number, { platform = process.platform, environment = process.env, home = homedir() }: {
  readonly platform?: NodeJS.Platform; readonly environment?: Environment; readonly home?: string
} = {}): string {
  const path = platform === 'win32' ? win32 : posix
  const own = instance === 0 ? String(chainId) : `${chainId}-${instance}`
  const base = baseOf(platform, environment, home)
  if (base === undefined) throw new UsageError('--data-dir is missing: this user has no home folder to keep data in. Give --data-dir FOLDER, or --in-memory')
  return path.join(base, NAME, own)
}

/** A relative `XDG_DATA_HOME` is to be ignored (XDG Base Directory Specification). */
function baseOf(platform: NodeJS.Platform, environment: Environment, home: string): string | undefined {
  const { XDG_DATA_HOME: xdg = '', LOCALAPPDATA: local = '' } = environment
  if (platform === 'win32') return local !== '' ? local : home === '' ? undefined : win32.join(home, 'AppData', 'Local')
  if (isAbsolute(xdg)) return xdg
  if (home === '' || home === '/') return undefined
  return platform === 'darwin' ? posix.join(home, 'Library', 'Application Support') : posix.join(home, '.local', 'share')
}
