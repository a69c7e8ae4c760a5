import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { defaultRequests, loadIdentity, networkConfig, publicKeyBytes, rawSecp256k1 } from '../network/index.js'
import type { NetworkConfig } from '../network/index.js'
import type { DiscoveryOptions, FilledConfig } from './config.js'
import { validatorConfig } from '../validator/index.js'
import type { ValidatorConfig } from '../validator/index.js'
import { randomBytes } from 'node:crypto'
import { DEFAULT_UDP_PORT, discoveryConfig } from '../discovery/index.js'
import type { DiscoveryConfig } from '../discovery/index.js'

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

/** What the validator is told. @throws ValidatorError `bad_config` */
export function validatorConfigOf({ validator, domain, slasherAddress }: FilledConfig): ValidatorConfig {
  return validatorConfig({ ...validator, pool: { ...validator?.pool, domain, slasher: slasherAddress } })
}

/** What discovery is told; `undefined` where it is off: by its option, or because there is no network to look around in. */
export async function discoveryConfigOf(config: FilledConfig, { privateKey, transport }: NetworkConfig): Promise<DiscoveryConfig | undefined> {
  if (config.discovery === false || transport !== 'tcp') return undefined
  const { keyFile, listenIp, port, ...options }: DiscoveryOptions = typeof config.discovery === 'object' ? config.discovery : {}
  const beside = udpBeside(config.listen)
  const file = keyFile ?? (config.dataDir === undefined ? undefined : join(config.dataDir, 'discovery.key'))
  return discoveryConfig({
    ...options, chainId: config.chainId, listen: { ip: listenIp ?? beside.ip, port: port ?? beside.port },
    privateKey: file === undefined ? randomBytes(32) : rawSecp256k1(await loadIdentity(file, 'secp256k1')),
    networkPublicKey: publicKeyBytes(privateKey),
  })
}

/** UDP beside TCP: the same address, the port after it (SPEC §8: 9001 for 9000), any free one where TCP takes any. */
function udpBeside(listen: readonly string[]): { readonly ip: string; readonly port: number } {
  for (const address of listen) {
    const [, ip, tcp] = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? []
    if (ip === undefined) continue
    const port = Number(tcp)
    return { ip, port: port === 0 ? 0 : Math.min(port + 1, 65_535) }
  }
  return { ip: '0.0.0.0', port: DEFAULT_UDP_PORT }
}
