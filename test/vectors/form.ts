import { fromHex, toHex } from '../../src/protocol/index.js'

/** Reading vectors: each reader throws a `FormError` that says where the JSON is not of the expected form. */

export class FormError extends Error {
  override readonly name = 'FormError'
}

export type JsonObject = Readonly<Record<string, unknown>>

export function objectOf(value: unknown, where: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FormError(`${where}: expected an object`)
  return value as JsonObject
}

export function arrayOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new FormError(`${where}: expected an array`)
  return value
}

export function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new FormError(`${where}: expected a string`)
  return value
}

export function booleanOf(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw new FormError(`${where}: expected true or false`)
  return value
}

export function bytesOf(value: unknown, where: string): Uint8Array {
  try {
    return fromHex(textOf(value, where))
  } catch (error) {
    throw error instanceof FormError ? error : new FormError(`${where}: expected hex`)
  }
}

/** A decimal string, or a number where it is exact. */
export function integerOf(value: unknown, where: string): bigint {
  if (typeof value === 'string' && /^\d+$/.test(value)) return BigInt(value)
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  throw new FormError(`${where}: expected a decimal integer`)
}

/** The arrays that a file may have, by name: at least one must be there, and each that is there must be an array. */
export function sectionsOf<K extends string>(value: unknown, names: readonly K[]): Readonly<Record<K, readonly unknown[]>> {
  const object = objectOf(value, 'top level')
  if (!names.some((name) => name in object)) throw new FormError(`top level: expected ${names.join(' or ')}`)
  const sections = names.map((name) => [name, name in object ? arrayOf(object[name], name) : []] as const)
  return Object.fromEntries(sections) as Record<K, readonly unknown[]>
}

type Field = 'bool' | 'uint' | 'number' | 'bytes' | Schema | readonly [Schema]
interface Schema { readonly [field: string]: Field }

const preconfirmation: Schema = {
  eop: 'bool', blockNumber: 'uint', timestamp: 'uint', gasLimit: 'uint', coinbase: 'bytes', anchorBlockNumber: 'uint',
  rawTxListHash: 'bytes',
  parentPreconfirmationHash: 'bytes', submissionWindowEnd: 'uint', proverAuth: 'bytes', proposalId: 'uint',
}
const commitment: Schema = { preconf: preconfirmation, slasherAddress: 'bytes' }
const signedCommitment: Schema = { commitment, signature: 'bytes' }
const txList: Schema = { rawTxListHash: 'bytes', txlist: 'bytes' }

const schemas: Readonly<Record<string, Schema>> = {
  Preconfirmation: preconfirmation,
  PreconfCommitment: commitment,
  SignedCommitment: signedCommitment,
  RawTxListGossip: txList,
  PreconfHead: { blockNumber: 'uint', submissionWindowEnd: 'uint' },
  GetHeadRequest: { reserved: 'bytes' },
  GetCommitmentsByNumberRequest: { startBlockNumber: 'uint', maxCount: 'number' },
  GetCommitmentsByNumberResponse: { commitments: [signedCommitment] },
  GetRawTxListRequest: { rawTxListHash: 'bytes' },
  GetRawTxListResponse: txList,
}

/** A container's value from its JSON. */
export function valueOf(container: string, json: unknown): unknown {
  const schema = schemas[container]
  if (schema === undefined) throw new FormError(`container: unknown ${container}`)
  return structOf(schema, json, container)
}

function structOf(schema: Schema, json: unknown, where: string): JsonObject {
  const object = objectOf(json, where)
  const fields = Object.entries(schema).map(([key, field]) => [key, fieldOf(field, object[key], `${where}.${key}`)] as const)
  return Object.fromEntries(fields)
}

function fieldOf(field: Field, json: unknown, where: string): unknown {
  switch (field) {
    case 'bool': return booleanOf(json, where)
    case 'uint': return integerOf(json, where)
    case 'number': return Number(integerOf(json, where))
    case 'bytes': return bytesOf(json, where)
  }
  if (Array.isArray(field)) return arrayOf(json, where).map((item, i) => structOf(field[0] as Schema, item, `${where}[${i}]`))
  return structOf(field as Schema, json, where)
}

/** A text that is the same for equal values: for comparing and for messages. */
export function show(value: unknown): string {
  return JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key) {
    const item = this[key] // what stood there before a Buffer's own toJSON
    if (item instanceof Uint8Array) return toHex(item)
    if (typeof item === 'bigint') return item.toString()
    if (typeof item === 'object' && item !== null && !Array.isArray(item)) return Object.fromEntries(Object.entries(item).sort())
    return item
  })
}
