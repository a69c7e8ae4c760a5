/** The library's public face. The protocol without I/O is `./protocol`, the actor kernel `./kernel`, its test kit `./testing`. */
import './polyfill.js'

export * from './actors/service/index.js'
export { ChainError } from './actors/chain/index.js'
export type { ChainEvent, ChainRules, ConfirmedTip, Head } from './actors/chain/index.js'
export { NetworkDriver, NetworkError, NetworkHandle, RequestError } from './actors/network/index.js'
export type { DriverEvent, NetworkCommand, NetworkConfig, PeerInfo } from './actors/network/index.js'
export { StoreError } from './actors/store/index.js'
export type { SyncEvent, SyncResult } from './actors/sync/index.js'
export { KernelError, hours, minutes, seconds, supervisor } from './actors/kernel/index.js'
export type { Feedback, Lagged, Logger, Supervisor } from './actors/kernel/index.js'
export { fromHex, signerFromKey, toHex } from './protocol/index.js'
export type { PreconfCommitment, PreconfHead, Preconfirmation, SignedCommitment, Signer } from './protocol/index.js'
