/** op-node's `opp2p_…` methods, with its names and shapes. Where it knows something that this node does not keep, its empty value stands. */
import { isIP } from 'node:net'
import { keccak_256 } from '@noble/hashes/sha3.js'
import type { PeerInfo } from '../actors/network/ingress.js'
import { publicKeyOf } from '../actors/network/identity.js'
import type { Standing } from '../actors/reputation/ingress.js'
import { toHex, topicsOf } from '../protocol/index.js'
import type { Json, JsonObject } from './json.js'
import { reads, steers } from './methods.js'
import type { Methods, OperatedNode } from './methods.js'
import { CommandError, flag, optional, text } from './parameters.js'
import type { Checker } from './parameters.js'

/** Numbers of go-libp2p. */
const CONNECTEDNESS = { notConnected: 0, connected: 1, cannotConnect: 3 } as const
const DIRECTION = { unknown: 0, inbound: 1, outbound: 2 } as const
const NO_NODE_ID = '0'.repeat(64)
const NS_PER_MS = 1_000_000

const peerId: Checker<string> = (value, name) => {
  if (!/^[1-9A-HJ-NP-Za-km-z]{46,60}$/.test(text(value, name))) throw new CommandError('bad_field', `"${name}" is a peer id`, value)
  return value as string
}
const ip: Checker<string> = (value, name) => {
  if (isIP(text(value, name)) === 0) throw new CommandError('bad_field', `"${name}" is an IP address`, value)
  return value as string
}

/** `10.0.0.0/8`, or as Go writes one: `{"IP": "10.0.0.0", "Mask": "/wAAAA=="}`, the mask in base64. Gives `10.0.0.0/8`. */
const subnet: Checker<string> = (value, name) => {
  const wrong = (): CommandError => new CommandError('bad_field', `"${name}" is a subnet: "10.0.0.0/8", or {"IP", "Mask"} with the mask in base64`)
  if (typeof value === 'string') {
    const [address = '', length = '', ...more] = value.split('/')
    if (isIP(address) === 0 || !/^\d{1,3}$/.test(length) || more.length > 0) throw wrong()
    return value
  }
  const { IP, Mask } = (typeof value === 'object' && value !== null ? value : {}) as { readonly IP?: unknown; readonly Mask?: unknown }
  if (typeof IP !== 'string' || isIP(IP) === 0 || typeof Mask !== 'string' || Mask.length > 24) throw wrong()
  const bits = [...Buffer.from(Mask, 'base64')].map(byte => byte.toString(2).padStart(8, '0')).join('')
  if (bits.length !== (isIP(IP) === 4 ? 32 : 128) || /01/.test(bits)) throw wrong()
  return `${IP}/${bits.replaceAll('0', '').length}`
}

function subnetJson(rule: string): JsonObject {
  const [address = '', length = '0'] = rule.split('/')
  const size = isIP(address) === 4 ? 32 : 128
  const bits = '1'.repeat(Number(length)).padEnd(size, '0')
  const mask = Buffer.from(Array.from({ length: size / 8 }, (_, at) => Number.parseInt(bits.slice(at * 8, at * 8 + 8), 2)))
  return { IP: address, Mask: mask.toString('base64') }
}

/** The operator's rules by kind. */
async function blocked(node: OperatedNode): Promise<{ readonly peers: readonly string[]; readonly addresses: readonly string[]; readonly subnets: readonly string[] }> {
  const { blocked: rules } = await node.access.lists()
  const subnets = rules.filter(rule => rule.includes('/'))
  const addresses = rules.filter(rule => isIP(rule) !== 0)
  return { peers: rules.filter(rule => !subnets.includes(rule) && !addresses.includes(rule)), addresses, subnets }
}

const isConnected = ({ connections }: Pick<PeerInfo, 'connections'>): boolean => connections > 0

const inTopic = { timeInMesh: 0, firstMessageDeliveries: 0, meshMessageDeliveries: 0, invalidMessageDeliveries: 0 }

interface Described {
  readonly peer: string
  readonly chainId: bigint
  readonly info?: PeerInfo | undefined
  readonly standing?: Standing | undefined
  readonly protected?: boolean
}

function peerJson({ peer, chainId, info, standing, protected: kept = standing?.protected === true }: Described): { readonly [key: string]: Json } {
  const key = publicKeyOf(peer)
  const connected = info !== undefined && isConnected(info)
  return {
    peerID: peer,
    nodeID: key === undefined ? NO_NODE_ID : toHex(keccak_256(key)),
    userAgent: info?.agent ?? '',
    protocolVersion: '',
    ENR: '',
    addresses: [...info?.addresses ?? []],
    protocols: [...info?.protocols ?? []],
    connectedness: connected ? CONNECTEDNESS.connected : info?.refused === true ? CONNECTEDNESS.cannotConnect : CONNECTEDNESS.notConnected,
    direction: connected ? DIRECTION[info.direction] : DIRECTION.unknown,
    protected: kept,
    // who speaks our protocols speaks them for our chain
    chainID: info !== undefined && info.protocols.length > 0 ? Number(chainId) : 0,
    latency: Math.round((info?.latencyMs ?? 0) * NS_PER_MS),
    gossipBlocks: info?.mesh.commitments === true,
    scores: {
      gossip: { total: info?.score ?? standing?.gossipScore ?? 0, blocks: { ...inTopic }, IPColocationFactor: 0, behavioralPenalty: 0 },
      reqRespSync: standing?.reputation ?? 0,
    },
  }
}

const done = (): Json => null
const steersAccess = (name: string, checker: Checker<string>, act: (node: OperatedNode, value: string) => Promise<unknown>) =>
  steers({ [name]: checker }, async ({ node }, values) => {
    await act(node, values[name]!)
    return done
  })

export const opP2p: Methods = {
  opp2p_self: reads({}, async ({ node }) => {
    const [addresses, enr] = await Promise.all([node.listenAddresses(), node.enr()])
    return () => ({
      ...peerJson({ peer: node.peerId, chainId: node.chainId }), ENR: enr ?? '', addresses: [...addresses], chainID: Number(node.chainId), gossipBlocks: true,
    })
  }),
  opp2p_peers: reads({ connected: optional(flag) }, async ({ node }, { connected = false }) => {
    const [peers, standings, lists] = await Promise.all([node.peers(), node.access.standings(), blocked(node)])
    const standing = new Map(standings.map(each => [each.peer, each]))
    // of a peer without a record, such as a static one, it is asked by name
    const others = peers.filter(({ peer }) => !standing.has(peer))
    for (const each of await Promise.all(others.map(async ({ peer }) => node.access.standing(peer)))) standing.set(each.peer, each)
    const infos = new Map(peers.map(each => [each.peer, each]))
    const names = connected ? peers.filter(isConnected).map(({ peer }) => peer) : [...new Set([...infos.keys(), ...standing.keys()])]
    return () => ({
      totalConnected: peers.filter(isConnected).length,
      peers: Object.fromEntries(names.map(peer => [peer, peerJson({ peer, chainId: node.chainId, info: infos.get(peer), standing: standing.get(peer) })])),
      bannedPeers: [...lists.peers], bannedIPS: [...lists.addresses], bannedSubnets: lists.subnets.map(subnetJson),
    })
  }),
  opp2p_peerStats: reads({}, async ({ node }) => {
    const [peers, standings, lists, table] = await Promise.all([node.peers(), node.access.standings(), blocked(node), node.discoveryTable().catch(() => [])])
    const connected = peers.filter(isConnected)
    const inMesh = { commitments: connected.filter(({ mesh }) => mesh.commitments).length, txLists: connected.filter(({ mesh }) => mesh.txLists).length }
    const topics = topicsOf(node.chainId)
    return () => ({
      connected: connected.length, table: table.length, blocksTopic: inMesh.commitments,
      gossipPeersByTopic: { [topics.commitments]: inMesh.commitments, [topics.txLists]: inMesh.txLists },
      banned: lists.peers.length, known: new Set([...peers, ...standings].map(({ peer }) => peer)).size,
    })
  }),
  opp2p_peerCount: reads({}, async ({ node }) => {
    const [peers, table] = await Promise.all([node.peers(), node.discoveryTable().then(({ length }) => length, () => null)])
    return () => ({ connectedDiscovery: table, connectedGossip: peers.filter(isConnected).length })
  }),
  opp2p_discoveryTable: reads({}, async ({ node }) => {
    const table = await node.discoveryTable()
    return () => [...table]
  }),
  opp2p_blockPeer: steersAccess('peer', peerId, async (node, peer) => node.access.block(peer)),
  opp2p_unblockPeer: steersAccess('peer', peerId, async (node, peer) => node.access.unblock(peer)),
  opp2p_listBlockedPeers: reads({}, async ({ node }) => {
    const { peers } = await blocked(node)
    return () => [...peers]
  }),
  opp2p_blockAddr: steersAccess('addr', ip, async (node, address) => node.access.block(address)),
  opp2p_unblockAddr: steersAccess('addr', ip, async (node, address) => node.access.unblock(address)),
  opp2p_listBlockedAddrs: reads({}, async ({ node }) => {
    const { addresses } = await blocked(node)
    return () => [...addresses]
  }),
  opp2p_blockSubnet: steersAccess('subnet', subnet, async (node, rule) => node.access.block(rule)),
  opp2p_unblockSubnet: steersAccess('subnet', subnet, async (node, rule) => node.access.unblock(rule)),
  opp2p_listBlockedSubnets: reads({}, async ({ node }) => {
    const { subnets } = await blocked(node)
    return () => subnets.map(subnetJson)
  }),
  opp2p_protectPeer: steersAccess('peer', peerId, async (node, peer) => node.access.protect(peer)),
  opp2p_unprotectPeer: steersAccess('peer', peerId, async (node, peer) => node.access.unprotect(peer)),
  opp2p_connectPeer: steersAccess('addr', text, async (node, address) => node.dial(address)),
  opp2p_disconnectPeer: steersAccess('peer', peerId, async (node, peer) => node.hangUp(peer)),
}
