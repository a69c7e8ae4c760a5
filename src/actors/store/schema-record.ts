import { StoreError } from './errors.js'
import { SCHEMA_KEY, SCHEMA_NAME, SCHEMA_VERSION } from './schema.js'

/** Of the database around the record. */
export interface WhatIsThere {
  /** Nothing at all is in it. */
  readonly empty: boolean
  /** Something is missing that was there. */
  readonly lost: boolean
  /** Something else says that it is ours: its counters, or an earlier run of ours that remembers it. */
  readonly ours: boolean
}

interface SchemaRecord { readonly name: string; readonly schema: number; readonly chainId?: string }

function parse(value: Uint8Array): SchemaRecord | undefined {
  try {
    const { name, schema, chainId } = JSON.parse(Buffer.from(value).toString('utf8')) as Readonly<Record<string, unknown>>
    if (typeof name === 'string' && typeof schema === 'number') {
      return { name, schema, ...(typeof chainId === 'string' ? { chainId } : {}) }
    }
  } catch {
    // the caller says it
  }
  return undefined
}

/**
 * Whether the database is ours and of a version that we read. `was`: the version that it has, where it is not new. `write`: the record
 * to write, where there is none yet, it gains a chain id, or it is of an older version, which is migrated with it.
 *
 * @throws StoreError `schema_newer`, `foreign`, `damaged`
 */
export function checkSchema(
  value: Uint8Array | undefined, { empty, lost, ours: known }: WhatIsThere, chainId: bigint | undefined,
): { readonly was: number | undefined; readonly write: Uint8Array | undefined } {
  const ours = chainId === undefined ? {} : { chainId: chainId.toString() }
  const write = (record: SchemaRecord): Uint8Array => Buffer.from(JSON.stringify(record))
  const record = value === undefined ? undefined : parse(value)
  if (record === undefined && value !== undefined && !known) {
    throw new StoreError('damaged', 'the record that says what the database is cannot be read', { value: SCHEMA_KEY.toString('hex') })
  }
  if (record === undefined) {
    // A first start that was cut short leaves an empty one; a damaged log may have had this record.
    if (empty || (known && (lost || value !== undefined))) return { was: empty ? undefined : SCHEMA_VERSION, write: write({ name: SCHEMA_NAME, schema: SCHEMA_VERSION, ...ours }) }
    throw new StoreError('foreign', 'the database is not ours: nothing in it says so', { value: 'no schema' })
  }
  if (record.name !== SCHEMA_NAME) throw new StoreError('foreign', `the database is of ${record.name}`, { value: record.name })
  if (record.schema > SCHEMA_VERSION) {
    const message = `the database has schema ${record.schema}, this version reads up to ${SCHEMA_VERSION}: use a newer version`
    throw new StoreError('schema_newer', message, { value: record.schema, limit: SCHEMA_VERSION })
  }
  const newer = { ...record, schema: SCHEMA_VERSION }
  if (chainId === undefined || record.chainId === ours.chainId) {
    return { was: record.schema, write: record.schema < SCHEMA_VERSION ? write(newer) : undefined }
  }
  if (record.chainId !== undefined) {
    const message = `the database is of chain ${record.chainId}, not ${chainId.toString()}`
    throw new StoreError('foreign', message, { value: record.chainId })
  }
  return { was: record.schema, write: write({ ...newer, ...ours }) }
}

/** Of which chain the database is, where its record says so. */
export function chainIdIn(value: Uint8Array | undefined): bigint | undefined {
  const chainId = value === undefined ? undefined : parse(value)?.chainId
  return chainId === undefined || !/^\d{1,78}$/.test(chainId) ? undefined : BigInt(chainId)
}
