import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { defaultRequests, loadIdentity, networkConfig } from '../network/index.js'
import type { NetworkConfig } from '../network/index.js'
import type { FilledConfig } from './config.js'

/**
 * What the driver is told. The identity comes from its file; without one, and without a data directory, it is new each time.
 * @throws NetworkError for an identity that cannot be used, and for options that cannot be
 */
export async function driverConfigOf(config: FilledConfig): Promise<NetworkConfig> {
  const { chainId, listen, staticPeers, dataDir } = config
  const keyFile = config.keyFile ?? (dataDir === undefined ? undefined : join(dataDir, 'identity.key'))
  if (keyFile === undefined) return networkConfig({ ...config.network, chainId, listen, staticPeers })
  const isNew = !await access(keyFile).then(() => true, () => false)
  const privateKey = await loadIdentity(keyFile)
  // who knows this identity may count what it asked a moment ago
  const requests = { cautiousMs: isNew ? 0 : defaultRequests.windowMs, ...config.network?.requests }
  return networkConfig({ ...config.network, chainId, listen, staticPeers, requests, privateKey })
}
