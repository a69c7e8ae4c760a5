/** What went wrong in the store, for programs. */
export const STORE_ERROR_CODES = [
  /** Another process holds the data directory: `value` is its pid, where it is known. */
  'locked',
  /** The database was written by a newer version: `value` is its schema, `limit` ours. */
  'schema_newer',
  /** The directory holds another program's database, or that of another chain: `value` says whose. */
  'foreign',
  /** Something in the database is not what was written: `value` names it. */
  'damaged',
  /** No space, quota or file size left. Nothing of the batch was stored; what was stored stays readable. */
  'disk_full',
  /** Any other failure of the file system; as with `disk_full`, nothing of the batch was stored. */
  'io',
  /** An argument that cannot be stored: `value` is what was offending. Nothing of the batch was stored. */
  'invalid',
  /** Not open, or closed. */
  'closed',
  /** The write before it is not here: `value` is its sequence. Nothing of the batch was stored. */
  'out_of_order',
] as const

export type StoreErrorCode = typeof STORE_ERROR_CODES[number]

export interface StoreErrorDetail {
  readonly value?: string | number
  readonly limit?: number
}

/** Every failure of this room. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  /** What was offending: a primitive, so that an error keeps nothing alive. */
  readonly value: string | number | undefined
  readonly limit: number | undefined

  constructor(code: StoreErrorCode, message: string, detail: StoreErrorDetail = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.value = detail.value
    this.limit = detail.limit
  }
}

/** The texts of ENOSPC, EDQUOT and EFBIG: LevelDB passes on the text of an error number, not the number. */
const NO_ROOM = /No space left|Disk quota exceeded|File too large|ENOSPC|EDQUOT|EFBIG/i

/** Whatever was thrown, as a `StoreError`; one that is one already passes unchanged. */
export function storeErrorOf(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error
  const codes: string[] = []
  const texts: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') codes.push(at.code)
    texts.push(at.message)
  }
  const message = `${doing}: ${texts.length === 0 ? String(error) : texts.join(': ')}`
  return new StoreError(codeOf(codes, message), message, {}, { cause: error })
}

function codeOf(codes: readonly string[], message: string): StoreErrorCode {
  if (codes.includes('LEVEL_LOCKED')) return 'locked'
  if (NO_ROOM.test(`${message} ${codes.join(' ')}`)) return 'disk_full'
  if (codes.includes('LEVEL_CORRUPTION')) return 'damaged'
  if (codes.includes('LEVEL_IO_ERROR')) return 'io'
  // LevelDB's own words for a database that it cannot read: it has no code for a wrong argument or a missing file.
  if (/does not match existing comparator|Corruption|not an sstable|CURRENT file|missing files/i.test(message)) return 'damaged'
  if (codes.includes('LEVEL_DATABASE_NOT_OPEN') && codes.length === 1) return 'closed'
  return 'io'
}
