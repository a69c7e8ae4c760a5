/** The keys that this network adds to those of EIP-778 (SPEC §8). */
export const CHAIN_KEY = 'taiko'
export const NETWORK_KEY = 'libp2p'
