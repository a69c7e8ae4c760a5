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

/** A counter's factor at each decay interval. */
export interface DecayingCounter {
  readonly weight: number
  readonly decay: number
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

/** Single fields of a preset in place of its own. */
export type ScoreOverrides = { readonly [K in keyof Omit<ScorePreset, 'name'>]?: PartlyOf<ScorePreset[K]> }
export type PartlyOf<T> = T extends number ? T : { readonly [K in keyof T]?: PartlyOf<T[K]> }

export interface ScorePresetOptions extends ScoreOverrides {
  /** The L2 block time in seconds, for `kona`; default 2. */
  readonly slotSeconds?: number
}

/**
 * A preset by its name, with single fields replaced.
 * @throws ProtocolError `invalid_value` with the field, for a field that there is not and for a value that gossipsub cannot count by
 */
export function scorePreset(name: ScorePresetName = 'spec', { slotSeconds = 2, ...overrides }: ScorePresetOptions = {}): ScorePreset {
  const preset = name === 'spec' ? specScore : konaScore(slotSeconds)
  if (Object.keys(overrides).length === 0) return preset
  const changed = replaced(preset, overrides, '') as ScorePreset
  checkScorePreset(changed)
  return changed
}

function replaced(into: object, overrides: object, path: string): object {
  const result: Record<string, unknown> = { ...into }
  for (const [key, value] of Object.entries(overrides) as Array<[string, unknown]>) {
    const field = path === '' ? key : `${path}.${key}`
    const old = result[key]
    if (value === undefined) continue
    if (key === 'name' || !Object.hasOwn(into, key)) throw bad(field, value, 'is no field of a score preset')
    if (typeof old === 'object' && old !== null) {
      if (typeof value !== 'object' || value === null) throw bad(field, value, 'is a group of fields')
      result[key] = replaced(old, value, field)
    } else result[key] = value
  }
  return result
}

/**
 * Checks that gossipsub v1.1 can count by a preset: thresholds in their order, rewards and penalties of the right sign, factors within (0, 1).
 * @throws ProtocolError `invalid_value` with the field
 */
export function checkScorePreset(preset: ScorePreset): void {
  const { behaviour, ipColocation, thresholds, topic } = preset
  const { acceptPX, gossip, graylist, opportunisticGraft, publish } = thresholds
  checkNumbers(preset, '')
  must('thresholds.gossip', gossip, gossip <= 0, 'is at most 0')
  must('thresholds.publish', publish, publish <= gossip, 'is at most thresholds.gossip')
  must('thresholds.graylist', graylist, graylist <= publish, 'is at most thresholds.publish')
  must('thresholds.acceptPX', acceptPX, acceptPX >= 0, 'is at least 0')
  must('thresholds.opportunisticGraft', opportunisticGraft, opportunisticGraft >= 0, 'is at least 0')
  must('topicScoreCap', preset.topicScoreCap, preset.topicScoreCap >= 0, 'is at least 0')
  must('appSpecificWeight', preset.appSpecificWeight, preset.appSpecificWeight >= 0, 'is at least 0')
  must('decayIntervalMs', preset.decayIntervalMs, preset.decayIntervalMs >= 1_000, 'is at least 1,000 ms')
  must('decayToZero', preset.decayToZero, within01(preset.decayToZero), 'is between 0 and 1')
  must('retainScoreMs', preset.retainScoreMs, preset.retainScoreMs >= 0, 'is at least 0')
  penalty('ipColocation', ipColocation.weight)
  must('ipColocation.threshold', ipColocation.threshold, ipColocation.threshold >= 1, 'is at least 1')
  penalty('behaviour', behaviour.weight)
  decay('behaviour', behaviour.decay)
  must('topic.weight', topic.weight, topic.weight >= 0, 'is at least 0')
  reward('topic.timeInMesh', topic.timeInMesh)
  must('topic.timeInMesh.quantumMs', topic.timeInMesh.quantumMs, topic.timeInMesh.quantumMs > 0, 'is above 0')
  reward('topic.firstDeliveries', topic.firstDeliveries)
  decay('topic.firstDeliveries', topic.firstDeliveries.decay)
  checkMeshDeliveries(topic.meshDeliveries)
  penalty('topic.meshFailure', topic.meshFailure.weight)
  decay('topic.meshFailure', topic.meshFailure.decay)
  penalty('topic.invalidDeliveries', topic.invalidDeliveries.weight)
  decay('topic.invalidDeliveries', topic.invalidDeliveries.decay)
}

function checkMeshDeliveries({ activationMs, cap, decay: factor, threshold, weight, windowMs }: MeshDeliveries): void {
  penalty('topic.meshDeliveries', weight)
  decay('topic.meshDeliveries', factor)
  must('topic.meshDeliveries.windowMs', windowMs, windowMs >= 0, 'is at least 0')
  must('topic.meshDeliveries.cap', cap, weight === 0 || cap > 0, 'is above 0')
  must('topic.meshDeliveries.threshold', threshold, weight === 0 || threshold > 0, 'is above 0')
  must('topic.meshDeliveries.activationMs', activationMs, weight === 0 || activationMs >= 1_000, 'is at least 1,000 ms')
}

function checkNumbers(group: object, path: string): void {
  for (const [key, value] of Object.entries(group) as Array<[string, unknown]>) {
    const field = path === '' ? key : `${path}.${key}`
    if (field === 'name') continue
    if (typeof value === 'object' && value !== null) checkNumbers(value, field)
    else must(field, value, typeof value === 'number' && Number.isFinite(value), 'is a number')
  }
}

const within01 = (value: number): boolean => value > 0 && value < 1

function penalty(group: string, weight: number): void { must(`${group}.weight`, weight, weight <= 0, 'is a penalty: at most 0') }
function decay(group: string, factor: number): void { must(`${group}.decay`, factor, within01(factor), 'is between 0 and 1') }
function reward(group: string, { cap, weight }: { readonly cap: number, readonly weight: number }): void {
  must(`${group}.weight`, weight, weight >= 0, 'is a reward: at least 0')
  must(`${group}.cap`, cap, weight === 0 || cap > 0, 'is above 0')
}

function must(field: string, value: unknown, holds: boolean, what: string): void { if (!holds) throw bad(field, value, what) }

function bad(field: string, value: unknown, what: string): ProtocolError {
  return new ProtocolError('invalid_value', `${field} ${what}, got ${describe(value)}`, { field, value: typeof value === 'object' ? describe(value) : value })
}
