import type { ArrivalRecorder, UsageRecorder } from './recorder.js'
import type { FloodReport, NodeApi, NodeOptions, Publication, Started, Topic } from './wire.js'

/** A node of either kind, as its process drives it. */
export interface Subject {
  readonly peerId: string
  readonly address: string
  dial(address: string): Promise<void>
  hangUp(peerId: string): Promise<void>
  meshPeers(): Promise<number>
  publish(topic: Topic, bytes: Uint8Array): Promise<void>
  prepare(publication: Publication): Promise<number>
  blast(to: { readonly peerId: string; readonly perSecond?: number }): Promise<number>
  flood(attack: { readonly address: string; readonly perSecond: number }): Promise<FloodReport>
  comeAndGo(visits: { readonly address: string; readonly peers: number; readonly everyMs: number }): Promise<number>
  request(ask: { readonly peerId?: string; readonly start: number; readonly count: number }): Promise<number>
  figures(): Promise<object>
  /** See `NodeApi`: a service only. */
  peers?(): ReturnType<NodeApi['peers']>
  blamed?(): ReturnType<NodeApi['blamed']>
  readonly discovery?: Started['discovery']
  stop(): Promise<void>
}

export interface Records { readonly arrivals: ArrivalRecorder; readonly usage: UsageRecorder }

export type StartSubject = (options: NodeOptions, records: Records) => Promise<Subject>
