/**
 * Every option of a node, once. Flags, variables, keys of the configuration file, `--print-config`, completion and docs/options.md come from this table.
 */
import { DEFAULT_LISTEN } from '../../actors/network/default-listen.js'
import { gaterPresets } from '../../actors/network/connections/gater-rules.js'
import type { GaterRules } from '../../actors/network/connections/gater-rules.js'
import { DEFAULT_CHAIN_ID } from '../../protocol/topics.js'
import { address, bigNumber, hex, oneOf, port, text, url, wholeNumber, yesOrNo } from './kinds.js'
import type { Kind } from './kinds.js'

export const GROUPS = {
  where: 'Where options come from',
  chain: 'The chain',
  data: 'What is kept',
  network: 'The network',
  discovery: 'Finding peers',
  peers: 'Peers',
  schedule: 'Who may sign: one of schedule.file, schedule.signer and l1.rpc is needed',
  l1: 'Following L1 (docs/following-l1.md)',
  l2: 'The confirmed tip from L2 (docs/following-l1.md)',
  signing: 'Signing',
  asking: 'Asking and steering this node (docs/operating.md)',
  sink: 'The ordered stream in a broker (docs/sinks.md)',
  output: 'Output',
} as const

export interface Row {
  readonly kind: Kind<unknown>
  readonly group: keyof typeof GROUPS
  /** One sentence, small at its beginning. */
  readonly help: string
  /** A shorter name, which works wherever the dotted one does. */
  readonly alias?: string
  /** As it would be given. */
  readonly default?: string
  /** What happens where it is left out, in words. */
  readonly otherwise?: string
  readonly repeats?: true
  /** Its value is not shown: it may hold a password or a key. */
  readonly secret?: true
  /** Where it can be given: in a file too (left out), as a flag or a variable, as a flag alone. */
  readonly from?: 'flag or variable' | 'flag'
}

/** A rule that can be switched off by its name. */
export type GaterSwitch = { [K in keyof GaterRules]: GaterRules[K] extends boolean ? K : never }[keyof GaterRules]
const gaterSwitches = Object.entries(gaterPresets.open).filter(([, value]) => typeof value === 'boolean').map(([name]) => name as GaterSwitch)

const file = (what: string, example?: string): Kind<string> => text('file', what, example)
const multiaddr: Kind<string> = text('multiaddr', 'a multiaddr', DEFAULT_LISTEN)
const peerAddress: Kind<string> = text('multiaddr', 'a multiaddr that ends in /p2p/…', '/ip4/192.0.2.1/tcp/9000/p2p/12D3KooW…')
const peerId: Kind<string> = text('peer id', 'a peer id', '12D3KooW…')

export const TABLE = {
  'config': { kind: file('a file'), group: 'where', from: 'flag or variable', help: 'a file with options: YAML or JSON, nested or dotted names' },
  'preset': { kind: text('preset', 'taiko, hoodi, devnet, or a file like that of --config'), group: 'where', help: 'defaults for one network: taiko, hoodi, devnet, or a file like that of --config' },
  'instance': { kind: wholeNumber(0, 1_000), group: 'where', default: '0', help: 'shifts every port but 0 by ten times this, and takes another default data folder: for several nodes on one machine' },
  'print-config': { kind: yesOrNo, group: 'where', from: 'flag', default: 'false', help: 'says what every option is and where it comes from, and ends' },

  'chain.id': { kind: bigNumber, group: 'chain', alias: 'chain-id', default: String(DEFAULT_CHAIN_ID), help: 'chain id' },
  'chain.domain': { kind: hex(32, 'hex'), group: 'chain', alias: 'domain', otherwise: 'the protocol\'s placeholder', help: 'signing domain' },
  'chain.slasher': { kind: address, group: 'chain', alias: 'slasher', otherwise: 'any slasher', help: 'reject commitments that name another slasher' },
  'chain.confirmed-tip': {
    kind: bigNumber, group: 'chain', alias: 'confirmed-tip', otherwise: 'it begins with the lowest block that most peers can serve',
    help: 'the last block that L1 has: the chain is built on it (recommended)',
  },

  'data-dir': { kind: text('folder', 'a folder'), group: 'data', otherwise: 'preconfirmation-p2p/<chain id> in the platform\'s folder for data', help: 'where everything is kept' },
  'in-memory': { kind: yesOrNo, group: 'data', default: 'false', help: 'keep nothing on disk' },

  'p2p.listen': { kind: multiaddr, group: 'network', alias: 'listen', repeats: true, default: DEFAULT_LISTEN, help: 'address to listen on' },
  'p2p.static': { kind: peerAddress, group: 'network', alias: 'peer', repeats: true, help: 'peer to stay connected to' },
  'p2p.key-file': { kind: file('a file'), group: 'network', alias: 'key-file', otherwise: 'identity.key in the data directory', help: 'network identity, created where missing' },

  'discovery.enabled': { kind: yesOrNo, group: 'discovery', alias: 'discovery', default: 'true', help: 'look for peers by discv5 over UDP' },
  'discovery.port': { kind: port, group: 'discovery', alias: 'udp-port', otherwise: 'the port after that of p2p.listen', help: 'UDP port' },
  'discovery.bootnode': {
    kind: text('enr', 'an ENR, or a multiaddr that ends in /p2p/…', 'enr:-IS4Q…'), group: 'discovery', alias: 'bootnode', repeats: true,
    help: 'where discovery begins: an ENR, or a multiaddr that ends in /p2p/…',
  },
  'discovery.external-ip': { kind: text('ip', 'an IP address', '192.0.2.1'), group: 'discovery', alias: 'external-ip', otherwise: 'as peers tell', help: 'the IP address under which others reach this node' },

  'gossip.scoring': { kind: oneOf('preset', ['spec', 'kona']), group: 'peers', alias: 'scoring', default: 'spec', help: 'gossipsub scores by these weights' },
  'peers.reputation': { kind: oneOf('key', ['local', 'reth']), group: 'peers', alias: 'reputation', default: 'local', help: 'what a peer is known by: its peer id, or its secp256k1 key where it has one' },
  'peers.gater': { kind: oneOf('preset', ['recommended', 'open']), group: 'peers', alias: 'gater', default: 'recommended', help: 'rules for connections: all, or none' },
  'peers.gater-off': { kind: oneOf('rule', gaterSwitches), group: 'peers', alias: 'gater-off', repeats: true, help: 'one rule less' },
  'peers.allow': { kind: peerId, group: 'peers', alias: 'allow-peer', repeats: true, otherwise: 'everybody', help: 'only these peers may connect' },
  'peers.block': { kind: text('rule', 'a peer id, an IP address or a subnet', '10.0.0.0/8'), group: 'peers', alias: 'block', repeats: true, help: 'refuse a peer id, an IP address or a subnet such as 10.0.0.0/8' },
  'peers.exempt-subnet': {
    kind: text('subnet', 'an IP address or a subnet', '127.0.0.0/8'), group: 'peers', alias: 'exempt-subnet', repeats: true,
    help: 'no limit by address holds for this IP address or subnet: for proxies and test networks',
  },
  'peers.protect': { kind: peerId, group: 'peers', alias: 'protect', repeats: true, help: 'never let this peer go for its score' },

  'schedule.file': { kind: file('a file with who signs when (docs/schedule.md)'), group: 'schedule', alias: 'schedule', help: 'who signs when: JSON, [{"from": "1800000000", "signer": "0x…"}, …], read again when it changes' },
  'schedule.signer': { kind: address, group: 'schedule', alias: 'signer', repeats: true, help: 'an address that may sign in every window' },
  'l1.rpc': {
    kind: url(['http', 'https', 'ws', 'wss'], 'https://l1.example/'), group: 'l1', repeats: true, secret: true,
    help: 'who may sign is read from L1: a JSON-RPC endpoint, http(s) to ask or ws(s) to be told of new blocks sooner',
  },
  'l1.inbox': { kind: address, group: 'l1', help: 'Taiko\'s inbox on L1' },
  'l1.quorum': { kind: wholeNumber(1, 100), group: 'l1', otherwise: '1, of three or more a majority', help: 'so many endpoints have to agree' },
  'l1.fallback-signer': { kind: oneOf('which', ['proposer', 'sequencer', 'both']), group: 'l1', otherwise: 'both', help: 'which address of a whitelisted operator signs' },
  'l1.handover-slots': { kind: wholeNumber(0, 32), group: 'l1', otherwise: '0', help: 'more than 0: the next epoch\'s operator may sign in the last window of an epoch too' },
  'l1.confirmations': { kind: oneOf('tag', ['latest', 'safe', 'finalized']), group: 'l1', otherwise: 'latest', help: 'which blocks of L1 count' },
  'l1.genesis': { kind: wholeNumber(0, Number.MAX_SAFE_INTEGER, 'seconds'), group: 'l1', otherwise: 'by its chain id, else 0', help: 'when slot 0 of L1 began' },

  'l2.rpc': { kind: url(['http', 'https'], 'http://127.0.0.1:8545/'), group: 'l2', repeats: true, secret: true, help: 'JSON-RPC endpoint of an L2 execution client' },
  'l2.confirm': { kind: yesOrNo, group: 'l2', default: 'false', help: 'the block that L1 has is read from l2.rpc, and confirmed' },
  'l2.quorum': { kind: wholeNumber(1, 100), group: 'l2', otherwise: '1, of three or more a majority', help: 'so many clients have to say so' },

  'signing.key-file': { kind: file('a file with a private key in hex'), group: 'signing', otherwise: 'nothing is signed here', help: 'the preconfer\'s key: the node signs commitments that come unsigned (docs/signing.md)' },

  'ipc.enabled': { kind: yesOrNo, group: 'asking', alias: 'ipc', default: 'true', help: 'a socket to ask this node through' },
  'ipc.path': { kind: text('path', 'a path'), group: 'asking', otherwise: 'node.sock in the data directory', help: 'where that socket is' },
  'http.port': { kind: port, group: 'asking', otherwise: 'off; 9300 with http.metrics', help: 'JSON-RPC, events and health over HTTP' },
  'http.host': { kind: text('address', 'an address of this machine', '127.0.0.1'), group: 'asking', otherwise: '127.0.0.1', help: 'where HTTP listens; elsewhere than on loopback everything needs the token' },
  'http.token-file': { kind: file('a file'), group: 'asking', help: 'the token that what steers the node needs over HTTP, made where it is missing' },
  'http.metrics': { kind: yesOrNo, group: 'asking', alias: 'metrics', default: 'false', help: 'Prometheus metrics at /metrics' },

  'sink.url': {
    kind: text('url', 'nats://host:4222 or tls://host:4222, several separated by commas', 'nats://127.0.0.1:4222'), group: 'sink', alias: 'sink', secret: true,
    help: 'the ordered stream goes to NATS JetStream: nats://host:4222 or tls://host:4222, several separated by commas',
  },
  'sink.credentials': { kind: file('a credentials file of NATS'), group: 'sink', alias: 'sink-credentials', help: 'a credentials file of NATS' },
  'sink.delivery': { kind: oneOf('when', ['instant', 'confirmed']), group: 'sink', alias: 'sink-delivery', otherwise: 'instant', help: 'each block as it comes, and rewinds; or once it is confirmed' },
  'sink.txlists': { kind: oneOf('how', ['inline', 'hash']), group: 'sink', alias: 'sink-txlists', otherwise: 'inline', help: 'each block with its txlist, or with the hash of it alone' },
  'sink.encoding': { kind: oneOf('form', ['ssz', 'json']), group: 'sink', alias: 'sink-encoding', otherwise: 'ssz', help: 'form of the payloads' },
  'sink.stream': { kind: text('name', 'the name of a stream'), group: 'sink', alias: 'sink-stream', otherwise: 'PRECONF_<chain id>_BLOCKS', help: 'the stream' },
  'sink.subject': { kind: text('subject', 'a subject'), group: 'sink', alias: 'sink-subject', otherwise: 'preconf.<chain id>.blocks', help: 'its one subject' },

  'stdio': { kind: yesOrNo, group: 'output', default: 'false', help: 'speak JSON lines: commands on standard input, events on standard output (docs/stdio.md)' },
  'log.level': { kind: oneOf('level', ['trace', 'debug', 'info', 'warn', 'error', 'silent']), group: 'output', alias: 'log-level', default: 'info', help: 'what goes to standard error' },
} as const satisfies Readonly<Record<string, Row>>

export type Name = keyof typeof TABLE
type ValueOf<R> = R extends { readonly kind: Kind<infer T> } ? R extends { readonly repeats: true } ? readonly T[] : T : never

/** What the options are: those with a default, and those that repeat, always have a value. */
export type Values = { readonly [N in Name]: ValueOf<typeof TABLE[N]> | ((typeof TABLE)[N] extends { readonly default: string } | { readonly repeats: true } ? never : undefined) }

export const NAMES = Object.keys(TABLE) as readonly Name[]
export const rowOf = (name: Name): Row => TABLE[name]

/** The option of a dotted name or a shorter one. */
export const named: ReadonlyMap<string, Name> = new Map(NAMES.flatMap(name => {
  const { alias } = rowOf(name)
  return [[name, name], ...alias === undefined ? [] : [[alias, name] as const]] as (readonly [string, Name])[]
}))

export const variableOf = (name: string): string => `PRECONF_${name.replace(/[.-]/g, '_').toUpperCase()}`
