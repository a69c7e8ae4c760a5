/** What a bench's process and a node's process say to each other. */

export type Topic = 'commitments' | 'txLists'

/** `service`: a whole `P2pService`. `bare`: js-libp2p with gossipsub, and nothing of ours. `libp2p`: that, to be started only. */
export type Role = 'service' | 'bare' | 'libp2p'

export interface NodeOptions {
  /** `service`: where it stores; left out: in memory. */
  readonly dataDir?: string
  /** `service`: without the budget of 60 messages a second and peer (SPEC §5), to measure what lies behind it. */
  readonly unbounded?: boolean
  /** `service`: the confirmed tip. Default `TIP`. */
  readonly tip?: number
  /** `service`: threads of the validator. Default: its own. */
  readonly threads?: number
  /** `service`: counts copies of messages, duplicates too. */
  readonly copies?: boolean
  /** `bare`: counts gossip on arrival and does nothing else with it, so that it costs next to nothing. */
  readonly sink?: boolean
  /** False: dials only. */
  readonly listen?: boolean
  /** `service`: with all limits by address, as strangers meet them, and with discovery on a port of its own. */
  readonly exposed?: boolean
}

export interface Started {
  readonly peerId: string
  readonly address: string
  /** When it listened. */
  readonly atMs: number
  /** Where discv5 listens, if it does. */
  readonly discovery?: { readonly port: number; readonly nodeId: string } | undefined
}

export interface Publication {
  readonly topic: Topic
  readonly messages: readonly Uint8Array[]
  /** Evenly spaced. Left out: each as soon as fewer than `atOnce` (default 1) are under way. */
  readonly perSecond?: number
  readonly atOnce?: number
  /** Then nothing more is sent, ms. */
  readonly forMs?: number
}

/** Times are of `nowMs`, in the order of the messages. */
/** `calledMs`: NaN for what was not sent. */
export interface Published { readonly calledMs: Float64Array; readonly failed: number; readonly firstError: string | undefined }

/** What has arrived, by height, in the order of arrival. */
export interface Arrivals { readonly heights: Float64Array; readonly atMs: Float64Array }

/** What a process has used since the last `usage`. */
export interface Usage {
  readonly wallMs: number
  /** CPU time of the main thread; of all threads. */
  readonly mainMs: number
  /** Time in which the main thread could have run and had no core: what other processes cost us. 0 where the system does not tell. */
  readonly waitedMs: number
  readonly allMs: number
  /** Time in which the event loop was busy. */
  readonly busyMs: number
  /** How late the event loop was, against its timer of 1 ms. */
  readonly delayP50Ms: number
  readonly delayP99Ms: number
  readonly delayMaxMs: number
  /** The same less the time in which the main thread waited for a core. */
  readonly ownDelayP99Ms: number
  /** Bytes of all TCP sockets. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Gossip messages that arrived, duplicates too, and their payload. */
  readonly copies: number
  readonly copiesBytes: number
}

/** What a process holds at this moment, after a collection of garbage where the process may ask for one. */
export interface Holdings {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  /** Open handles and requests under way, by kind. */
  readonly resources: Readonly<Record<string, number>>
}

export interface FloodReport { readonly sent: number; readonly identities: number; readonly refused: number }

/** What a node's process can be asked. */
export interface NodeApi {
  start(options: NodeOptions): Promise<Started>
  dial(address: string): Promise<void>
  hangUp(peerId: string): Promise<void>
  /** Resolves once so many peers are in the mesh of commitments. */
  meshed(peers: number): Promise<void>
  publish(publication: Publication): Promise<Published>
  /** `bare`: signs messages as their author now, to be sent later; gives how many are ready. */
  prepare(publication: Publication): Promise<number>
  /** `bare`: sends what is ready to one peer, evenly spaced or as fast as its stream takes it. */
  blast(to: { readonly peerId: string; readonly perSecond?: number }): Promise<number>
  /** `bare`: sends what is ready under ever new identities, at this rate in all. */
  flood(attack: { readonly address: string; readonly perSecond: number }): Promise<FloodReport>
  /** `bare`: so many peers that come, ask and leave; gives how many requests were answered. */
  comeAndGo(visits: { readonly address: string; readonly peers: number; readonly everyMs: number }): Promise<number>
  /** Heights that have arrived so far. */
  count(): Promise<number>
  /** Gives what has arrived, and forgets it. */
  arrivals(): Promise<Arrivals>
  usage(): Promise<Usage>
  holdings(): Promise<Holdings>
  /** `service`: commitments that it stores from a height on, asked of one of its peers. */
  request(ask: { readonly peerId?: string; readonly start: number; readonly count: number }): Promise<number>
  /** `service`: what it thinks of its peers. */
  peers(): Promise<readonly { readonly peer: string; readonly score: number; readonly inMesh: boolean; readonly connections: number }[]>
  /** `service`: how often it has said that a peer is at fault, or banned it, by peer. */
  blamed(): Promise<Readonly<Record<string, number>>>
  /** `service`: its figures, as text. */
  figures(): Promise<string>
  stop(): Promise<void>
}

export type Command = keyof NodeApi
export interface Request { readonly id: number; readonly command: Command; readonly argument: unknown }
export type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }
