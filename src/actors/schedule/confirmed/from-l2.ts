import type { OpenRpc } from '../rpc.js'
import { confirmationsConfig } from './config.js'
import type { ConfirmationsConfig, L2Options } from './config.js'

/** Where the confirmed tip is read; for `P2pService.start({ confirmations })`. */
export interface L2Confirmations {
  readonly config: ConfirmationsConfig
  readonly open: OpenRpc | undefined
}

/**
 * The confirmed tip, by L2 execution clients that follow L1 (docs/following-l1.md): the node that is started with it asks them which block L1 has,
 * and confirms it. A tip that goes back, after a reorg of L1, is told as `tipWentBack`; what was confirmed stays so.
 * @throws ScheduleError `bad_config`
 */
export function confirmationsFromL2(options: L2Options & { readonly open?: OpenRpc | undefined }): L2Confirmations {
  const { open, ...rest } = options
  return { config: confirmationsConfig(rest), open }
}
