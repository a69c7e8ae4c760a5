import { ENR } from '@chainsafe/enr'
import { P2pService, scheduleFromTable } from '../../src/index.js'
import { SCHEDULED_FROM, SIGNER, TIP } from './blocks.js'
import type { StartSubject } from './subject.js'

/** Peers whose faults are counted: attackers have many names. */
const MAX_BLAMED = 100_000
const NO_BUDGET = { budgetMessages: Infinity, budgetBytes: Infinity, budgetControls: Infinity }

/** Each node is on its own here: nobody is looked for over UDP. */
const ALONE = { discovery: false as const }

/** A node as an application has it: what arrives are its `commitment` events. */
export const startService: StartSubject = async ({ dataDir, listen = true, unbounded = false, tip = TIP, threads, copies = false, exposed = false }, { arrivals, usage }) => {
  if (copies) await (await import('./copies.js')).countCopies(usage)
  const service = await P2pService.start({
    schedule: scheduleFromTable([{ from: SCHEDULED_FROM, signer: SIGNER }]),
    confirmedTip: { blockNumber: BigInt(tip) },
    listen: listen ? '/ip4/127.0.0.1/tcp/0' : [],
    ...(dataDir !== undefined && { dataDir }),
    network: { exemptSubnets: exposed ? [] : ['127.0.0.0/8'], gossip: unbounded ? NO_BUDGET : {} },
    ...(threads !== undefined && { validator: { pool: { threads } } }),
    ...exposed ? { discovery: { listenIp: '127.0.0.1', port: 0 } } : ALONE,
  })
  const blamed: Record<string, number> = {}
  const blame = (peer: string | undefined): void => { if (peer !== undefined && Object.keys(blamed).length < MAX_BLAMED) blamed[peer] = (blamed[peer] ?? 0) + 1 }
  void (async () => {
    for await (const event of service.events) {
      if (event.type === 'commitment') arrivals.arrived(Number(event.blockNumber))
      if (event.type === 'violation' || event.type === 'banned' || event.type === 'greylisted') blame(event.peer)
      if (event.type === 'refused' && event.penalty) blame(event.from)
      if (event.type === 'peerFault' && event.penalty) blame(event.peer)
    }
  })()
  const record = await service.enr()
  const enr = record === undefined ? undefined : ENR.decodeTxt(record)
  const [address = ''] = await service.listenAddresses()
  const impossible = async (): Promise<never> => Promise.reject(new Error('only a bare node does this'))
  return {
    peerId: service.peerId,
    address,
    async dial(to) { await service.dial(to) },
    hangUp: peer => service.hangUp(peer),
    meshPeers: async () => (await service.peers()).filter(({ mesh }) => mesh.commitments).length,
    async publish(topic, bytes) {
      if (topic === 'commitments') await service.publishCommitment(bytes)
      else await service.publishTxList(bytes)
    },
    prepare: impossible,
    blast: impossible,
    flood: impossible,
    comeAndGo: impossible,
    async request({ peerId, start, count }) {
      const { commitments } = await service.requestCommitments({ ...(peerId !== undefined && { peer: peerId }), start: BigInt(start), maxCount: count })
      return commitments.length
    },
    figures: () => service.figures(),
    peers: async () => (await service.peers()).map(({ connections, mesh, peer, score }) => ({ peer, score, connections, inMesh: mesh.commitments && mesh.txLists })),
    blamed: async () => Promise.resolve(blamed),
    ...enr?.udp !== undefined && { discovery: { port: enr.udp, nodeId: enr.nodeId } },
    stop: () => service.stop(),
  }
}
