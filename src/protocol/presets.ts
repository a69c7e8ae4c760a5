import { describe, ProtocolError } from './errors.js'

/** Gossip parameters and peer score presets of SPEC §5, as data. Times are milliseconds where the name ends in `Ms`. */

export interface GossipParams {
  /** Peers in the mesh: wanted, fewest, most. */
  readonly D: number
  readonly Dlo: number
  readonly Dhi: number
  /** Peers outside the mesh that are told of messages in a heartbeat, at least. */
  readonly Dlazy: number
  /** Part of the peers outside the mesh that are told. */
  readonly gossipFactor: number
  readonly heartbeatMs: number
  readonly fanoutTtlMs: number
  /** Heartbeats for which messages are kept: a verdict later than that (6 s) can no longer forward. */
  readonly historyLength: number
  /** Heartbeats whose messages are gossiped about. */
  readonly historyGossip: number
  readonly seenTtlMs: number
  readonly floodPublish: boolean
  readonly peerExchange: boolean
}

export const gossipParams: GossipParams = {
  D: 8,
  Dlo: 6,
  Dhi: 12,
  Dlazy: 6,
  gossipFactor: 0.25,
  heartbeatMs: 500,
  fanoutTtlMs: 60_000,
  historyLength: 12,
  historyGossip: 3,
  seenTtlMs: 120_000,
  floodPublish: false,
  peerExchange: false,
}

/** How long a verdict can still forward its message. */
export const FORWARD_WITHIN_MS = gossipParams.historyLength * gossipParams.heartbeatMs

/** Score thresholds of gossipsub v1.1. */
export interface ScoreThresholds {
  readonly gossip: number
  readonly publish: number
  readonly graylist: number
  readonly acceptPX: number
  readonly opportunisticGraft: number
}

/** A counter's factor at each decay interval, and its bound. */
export interface DecayingCounter {
  readonly weight: number
  readonly decay: number
  readonly cap?: number
}

/** Deliveries that a mesh peer owes; weight 0 turns it off. */
export interface MeshDeliveries {
  readonly weight: number
  readonly decay: number
  readonly cap: number
  readonly threshold: number
  readonly windowMs: number
  readonly activationMs: number
}

export interface TopicScore {
  readonly weight: number
  readonly timeInMesh: { readonly weight: number, readonly quantumMs: number, readonly cap: number }
  readonly firstDeliveries: DecayingCounter & { readonly cap: number }
  readonly meshDeliveries: MeshDeliveries
  readonly meshFailure: DecayingCounter
  readonly invalidDeliveries: DecayingCounter
}

/** Everything about peer scores that is a number. Both of our topics have the same parameters. */
export interface ScorePreset {
  readonly name: ScorePresetName
  readonly thresholds: ScoreThresholds
  /** The most that topics together add to a score. */
  readonly topicScoreCap: number
  readonly topic: TopicScore
  /** The application's score is the reputation, within ±10. */
  readonly appSpecificWeight: number
  readonly ipColocation: { readonly weight: number, readonly threshold: number }
  readonly behaviour: { readonly weight: number, readonly threshold: number, readonly decay: number }
  readonly decayIntervalMs: number
  readonly decayToZero: number
  /** How long the score of a peer that left is kept. */
  readonly retainScoreMs: number
}

export type ScorePresetName = 'spec' | 'kona'

/**
 * The factor at each decay interval that leaves a hundredth of a counter after `intervals` of them: 0.01^(1/n), the
 * formula of the OP stack. Kona's code computes 0.99^(1/n), which forgets almost nothing (a hundredth is *lost* after n).
 */
export function decayOver(intervals: number): number {
  return 0.01 ** (1 / intervals)
}

/** Weights of zero, for what the `spec` preset does not use. */
const NO_MESH_DELIVERIES: MeshDeliveries = { weight: 0, decay: 0.5, cap: 1, threshold: 0, windowMs: 0, activationMs: 1_000 }

/** The default. */
export const specScore: ScorePreset = {
  name: 'spec',
  thresholds: { gossip: -1, publish: -2, graylist: -5, acceptPX: 0, opportunisticGraft: 0.5 },
  topicScoreCap: 3_600,
  topic: {
    weight: 1,
    timeInMesh: { weight: 0, quantumMs: 1_000, cap: 3_600 },
    firstDeliveries: { weight: 0.5, decay: 0.999, cap: 20 },
    meshDeliveries: NO_MESH_DELIVERIES,
    meshFailure: { weight: 0, decay: 0.5 },
    invalidDeliveries: { weight: -2, decay: 0.99 },
  },
  appSpecificWeight: 1,
  ipColocation: { weight: 0, threshold: 10 },
  behaviour: { weight: 0, threshold: 6, decay: 0.5 },
  decayIntervalMs: 10_000,
  decayToZero: 0.1,
  retainScoreMs: 3_600_000,
}

/** Slots in an epoch of `konaScore`. */
const EPOCH = 6

/**
 * The "light" scoring of Kona and the OP stack.
 * @param slotSeconds the L2 block time in seconds, at least 1 (gossipsub decays no faster)
 * @throws ProtocolError `invalid_value`
 */
export function konaScore(slotSeconds: number): ScorePreset {
  if (!(Number.isFinite(slotSeconds) && slotSeconds >= 1)) {
    throw new ProtocolError('invalid_value', `slotSeconds: expected a number of at least 1, got ${describe(slotSeconds)}`, {
      field: 'slotSeconds', value: slotSeconds, limit: 1,
    })
  }
  const slotMs = slotSeconds * 1_000
  const timeInMeshCap = 3_600 / slotSeconds
  return {
    name: 'kona',
    thresholds: { gossip: -10, publish: -40, graylist: -40, acceptPX: 20, opportunisticGraft: 0.05 },
    topicScoreCap: 34,
    topic: {
      weight: 0.8,
      timeInMesh: { weight: 10 / timeInMeshCap, quantumMs: slotMs, cap: timeInMeshCap },
      firstDeliveries: { weight: 1, decay: decayOver(20 * EPOCH), cap: 23 },
      meshDeliveries: {
        weight: -0.7, decay: decayOver(5 * EPOCH), cap: 30, threshold: 3, windowMs: 2_000, activationMs: 4 * EPOCH * slotMs,
      },
      meshFailure: { weight: -0.7, decay: decayOver(5 * EPOCH) },
      invalidDeliveries: { weight: -140.4475, decay: decayOver(50 * EPOCH) },
    },
    appSpecificWeight: 1,
    ipColocation: { weight: -35, threshold: 10 },
    behaviour: { weight: -16, threshold: 6, decay: decayOver(10 * EPOCH) },
    decayIntervalMs: slotMs,
    decayToZero: 0.01,
    retainScoreMs: 100 * EPOCH * slotMs,
  }
}

export interface ScorePresetOptions {
  /** The L2 block time in seconds, for `kona`; default 2. */
  readonly slotSeconds?: number
}

/** A preset by its name. */
export function scorePreset(name: ScorePresetName = 'spec', { slotSeconds = 2 }: ScorePresetOptions = {}): ScorePreset {
  return name === 'spec' ? specScore : konaScore(slotSeconds)
}
