import type { Sink } from '../actors/sink/index.js'
import { UsageError } from './failure.js'
import { NAMES } from './options/table.js'
import type { Settings } from './options/settings.js'

/** The sink that the options name; `undefined`: none. @throws UsageError */
export async function sinkOf(settings: Settings): Promise<Sink | undefined> {
  const servers = settings.get('sink.url')
  if (servers === undefined) {
    const given = settings.whoGave(...NAMES.filter(name => name.startsWith('sink.')))
    if (given !== '') throw new UsageError(`--sink URL is missing, where the stream goes: ${given}`)
    return undefined
  }
  const more = {
    credentials: settings.get('sink.credentials'), delivery: settings.get('sink.delivery'), txLists: settings.get('sink.txlists'),
    encoding: settings.get('sink.encoding'), stream: settings.get('sink.stream'), subject: settings.get('sink.subject'),
  }
  // Loaded only now: help does not need it.
  const { natsSink } = await import('../actors/sink/nats/nats-sink.js')
  try {
    return natsSink({ servers, ...Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined)) })
  } catch (error) {
    throw new UsageError(`--sink: ${(error as Error).message} (${settings.whoGave('sink.url')})`)
  }
}
