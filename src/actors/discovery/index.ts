import '../../polyfill.js'

/** Finding peers: discv5 and what decides whom to dial. */
export { discovery, type DiscoveryNeeds } from './actor.js'
export { checkBootnode } from './bootnodes.js'
export { DEFAULT_UDP_PORT, discoveryConfig, recommended, type DiscoveryConfig, type DiscoveryInit, type DiscoveryOptions, type ExternalAddress } from './config.js'
export { DiscoveryError, type DiscoveryErrorCode } from './errors.js'
export { Discovery, discoveryMailbox, type DiscoveryEvent, type DiscoveryFigures, type DiscoveryMessage } from './ingress.js'
export { type PacketLimits } from './packet-limit.js'
export { type RetryRules } from './targets.js'
export { type VoteRules } from './external-address-votes.js'
