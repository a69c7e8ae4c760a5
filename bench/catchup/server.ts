/** A process that serves a chain: one node of ours, from the data directory that it is told. Started by `servers.ts`. */
import { P2pService, scheduleFromSigners } from '../../src/index.js'
import { TIP } from './material.js'

export interface ServerTask { readonly dataDir: string; readonly signers: readonly string[] }
export type ServerSays =
  | { readonly type: 'listening'; readonly address: string }
  | { readonly type: 'figures'; readonly served: number; readonly busyMs: number; readonly cpuMs: number }

const say = (message: ServerSays): void => { process.send?.(message) }

process.once('message', (task: ServerTask) => {
  void (async () => {
    const service = await P2pService.start({
      dataDir: task.dataDir, listen: '/ip4/127.0.0.1/tcp/0', discovery: false, schedule: scheduleFromSigners(task.signers), confirmedTip: { blockNumber: TIP },
      validator: { pool: { threads: 1 } },
      network: { exemptSubnets: ['127.0.0.0/8'] },
    })
    process.on('message', () => {
      void (async () => {
        const { network } = await service.figures()
        const { user, system } = process.cpuUsage()
        const served = network === undefined ? 0 : network.serving.served.commitments + network.serving.served.txList
        say({ type: 'figures', served, busyMs: network?.serving.busyMs ?? 0, cpuMs: (user + system) / 1_000 })
      })()
    })
    process.once('disconnect', () => { void service.stop().finally(() => process.exit()) })
    say({ type: 'listening', address: (await service.listenAddresses())[0] ?? '' })
  })()
})
