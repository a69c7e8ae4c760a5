/** `/metrics`, by prom-client: read from the figures when it is asked for, and counted from the events where no figure has it. */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import type { Lagged } from '../../actors/kernel/index.js'
import type { NetworkEvent } from '../../actors/service/index.js'
import type { OperatedNode } from '../methods.js'
import { readinessOf } from '../readiness.js'
import { REJECTIONS, TOPICS, rejectionLabel } from './labels.js'
import { SERIES } from './series.js'
import type { Reading, Series } from './series.js'

export interface Metrics {
  readonly contentType: string
  /** What is asked while an answer is being made gets the same answer. */
  text(): Promise<string>
  see(event: NetworkEvent | Lagged): void
  /** Names of all series, for dashboards to be held against. */
  readonly names: readonly string[]
  close(): void
}

const BANNED_BY = ['score', 'operator'] as const

export function openMetrics(node: OperatedNode): Metrics {
  const register = new Registry()
  // the process, and its event loop's delay (`nodejs_eventloop_lag_…`)
  collectDefaultMetrics({ register })
  const kept = SERIES.map(series => ({ series, metric: metricOf(series, register) }))
  const rejected = new Counter({ name: 'preconf_rejected_total', help: 'Messages that were not accepted, by reason.', labelNames: ['topic', 'reason', 'verdict'], registers: [register] })
  const banned = new Counter({ name: 'preconf_banned_total', help: 'Bans, by who decided.', labelNames: ['by'], registers: [register] })
  const lagged = new Counter({ name: 'preconf_metrics_events_lost_total', help: 'Events that were lost to the counters of rejections and bans.', registers: [register] })
  for (const topic of TOPICS) for (const reason of REJECTIONS) for (const verdict of ['reject', 'ignore']) rejected.inc({ topic, reason, verdict }, 0)
  for (const by of BANNED_BY) banned.inc({ by }, 0)

  const update = async (): Promise<string> => {
    const asked = node.health()
    const [figures, health, readiness, peers, standings] = await Promise.all([
      node.figures(), asked, readinessOf(node, asked), node.peers().catch(() => []), node.access.standings().catch(() => []),
    ])
    for (const { series, metric } of kept) fill(series, metric, { figures, health, readiness, peers, standings })
    return register.metrics()
  }
  let underWay: Promise<string> | undefined
  return {
    contentType: register.contentType,
    text: () => underWay ??= update().finally(() => { underWay = undefined }),
    see(event) {
      if (event.type === 'rejected') rejected.inc({ topic: event.topic, reason: rejectionLabel(event.reason), verdict: event.verdict })
      else if (event.type === 'banned') banned.inc({ by: event.reason === 'score' ? 'score' : 'operator' })
      else if (event.type === 'lagged') lagged.inc(event.count)
    },
    names: register.getMetricsAsArray().map(({ name }) => name),
    close() { register.clear() },
  }
}

function metricOf({ type, name, help, labels = [] }: Series, register: Registry): Counter | Gauge {
  const options = { name, help, labelNames: [...labels], registers: [register] }
  return type === 'counter' ? new Counter(options) : new Gauge(options)
}

function fill({ read }: Series, metric: Counter | Gauge, reading: Reading): void {
  metric.reset()
  read(reading, (value, labels = {}) => { metric.inc(labels, Number(value ?? 0)) })
}
