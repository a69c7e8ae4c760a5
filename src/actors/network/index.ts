import '../../polyfill.js'

/** The driver's room: libp2p and everything that touches it. */
export { network } from './actor.js'
export { hostResolver, type HostLookup } from './addresses.js'
export {
  AGENT_NAME, AGENT_VERSION, IDENTIFY_PROTOCOL, defaultConnections, defaultGossip, defaultRedial, defaultRequests, defaultServing,
  networkConfig, type ConnectionLimits, type GossipLimits, type NetworkConfig, type NetworkConfigInit, type RedialPolicy, type RequestLimits,
  type ServingLimits,
} from './config.js'
export { DEFAULT_LISTEN } from './default-listen.js'
export { NetworkDriver, loadLibp2p, type DriverGround, type DriverNeeds } from './driver.js'
export { NetworkError, RequestError, type NetworkErrorCode, type RequestErrorCode } from './errors.js'
export { REFUSALS, VIOLATIONS, type NetworkFigures, type Refusal, type Violation } from './figures.js'
export { type Gate, type GateQuestion } from './connections/gater.js'
export { gaterPresets, type GaterPreset, type GaterRules } from './connections/gater-rules.js'
export {
  createIdentity, exportIdentity, importIdentity, loadIdentity, newPrivateKey, peerKeyOf, publicKeyBytes, publicKeyOf, rawSecp256k1, writeExport, type IdentityType,
} from './identity.js'
export {
  NetworkHandle, networkMailbox, type DriverEvent, type NetworkCommand, type PeerInfo, type Published, type RequestKind, type Response, type Topic,
} from './ingress.js'
export { type RefusedPeersNeeds } from './connections/refused-peers.js'
export { neutralStanding } from './connections/gater.js'
export { PendingResponses } from './reqresp/pending-responses.js'
export { checkMaxCount, checkRequest } from './reqresp/protocols.js'
