/** The commands of `run --stdio` (docs/stdio.md): what each takes, and what it answers. */
import type { P2pService } from '../actors/service/index.js'
import { codecs, fromHex } from '../protocol/index.js'

/** A command line that cannot be carried out. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  constructor(
    readonly code: 'bad_json' | 'bad_command' | 'unknown_command' | 'line_too_long' | 'missing_field' | 'bad_field' | 'stopping',
    message: string, readonly value?: unknown,
  ) { super(message) }
}

/** One line of input, read but not yet understood. */
export interface CommandLine { readonly cmd: string; readonly id: unknown; readonly fields: Readonly<Record<string, unknown>> }

/** @throws CommandError `bad_json`, `bad_command` */
export function parseCommandLine(line: string): CommandLine {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    throw new CommandError('bad_json', 'the line is not JSON', line.slice(0, 80))
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new CommandError('bad_command', 'a command is an object', line.slice(0, 80))
  const fields = parsed as Record<string, unknown>
  if (typeof fields['cmd'] !== 'string') throw new CommandError('bad_command', 'a command names itself in "cmd"', line.slice(0, 80))
  return { cmd: fields['cmd'], id: fields['id'], fields }
}

/** A command's fields, read one by one with a typed error for what is missing or wrong. */
export class Fields {
  constructor(private readonly fields: Readonly<Record<string, unknown>>) {}

  bytes(name: string): Uint8Array {
    const text = this.text(name)
    try {
      return fromHex(text)
    } catch {
      throw new CommandError('bad_field', `"${name}" is hex`, text.slice(0, 80))
    }
  }

  text(name: string): string {
    const value = this.fields[name]
    if (value === undefined) throw new CommandError('missing_field', `"${name}" is missing`)
    if (typeof value !== 'string') throw new CommandError('bad_field', `"${name}" is a string`, value)
    return value
  }

  optionalText(name: string): string | undefined {
    return this.fields[name] === undefined || this.fields[name] === null ? undefined : this.text(name)
  }

  /** An integer: a decimal string, or a number that is exact. */
  integer(name: string): bigint {
    const value = this.fields[name]
    if (value === undefined) throw new CommandError('missing_field', `"${name}" is missing`)
    if (typeof value === 'string' && /^\d{1,78}$/.test(value)) return BigInt(value)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
    throw new CommandError('bad_field', `"${name}" is a whole number, as a decimal string`, value)
  }

  optionalInteger(name: string): bigint | undefined {
    return this.fields[name] === undefined || this.fields[name] === null ? undefined : this.integer(name)
  }

  optionalFlag(name: string): boolean {
    const value = this.fields[name] ?? false
    if (typeof value !== 'boolean') throw new CommandError('bad_field', `"${name}" is true or false`, value)
    return value
  }

  /** A count that fits a number; how large it may be is for the API to say. */
  count(name: string): number {
    const value = this.integer(name)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new CommandError('bad_field', `"${name}" is a count`, value)
    return Number(value)
  }
}

type Command = (service: P2pService, fields: Fields) => Promise<unknown>

const SignedCommitment = codecs.SignedCommitment

/** Every command but `stop`, which the loop itself carries out. */
export const commands: Readonly<Record<string, Command>> = {
  publishCommitment: (service, fields) => service.publishCommitment(fields.bytes('ssz'), { late: fields.optionalFlag('late') }),
  publishTxList: (service, fields) => service.publishTxList(fields.bytes('txlist')),
  requestHead: async (service, fields) => {
    const { peer, head } = await service.requestHead({ peer: fields.optionalText('peer') })
    return { peer, ...head }
  },
  requestCommitments: async (service, fields) => {
    const { peer, commitments } = await service.requestCommitments({ start: fields.integer('start'), maxCount: fields.count('max'), peer: fields.optionalText('peer') })
    return { peer, commitments: commitments.map(commitment => SignedCommitment.encode(commitment)) }
  },
  requestTxList: async (service, fields) => {
    const { peer, txList } = await service.requestTxList({ hash: fields.bytes('hash'), peer: fields.optionalText('peer') })
    return { peer, txlist: txList }
  },
  updateHead: async (service, fields) => {
    service.updateHead({ blockNumber: fields.integer('blockNumber'), submissionWindowEnd: fields.integer('submissionWindowEnd') })
    return {}
  },
  confirm: async (service, fields) => {
    const hash = fields.optionalText('hash')
    await service.confirm({ blockNumber: fields.integer('blockNumber'), ...hash === undefined ? {} : { preconfirmationHash: fields.bytes('hash') } })
    return {}
  },
  rewind: async (service, fields) => {
    await service.rewind(fields.integer('to'))
    return {}
  },
  dial: async (service, fields) => ({ peer: await service.dial(fields.text('addr')) }),
  hangUp: async (service, fields) => {
    await service.hangUp(fields.text('peer'))
    return {}
  },
  peers: async service => ({ peers: await service.peers() }),
  head: async service => service.head(),
  /** The canonical commitments that this node itself stores. */
  stored: async (service, fields) => ({ commitments: await service.storedCommitments({ start: fields.integer('start'), maxCount: fields.count('max') }) }),
  /** A txlist that this node itself stores. */
  storedTxList: async (service, fields) => ({ txlist: await service.storedTxList(fields.bytes('hash')) }),
  status: async service => ({ ...await service.health(), peerId: service.peerId, addresses: await service.listenAddresses() }),
  figures: async service => service.figures(),
}
