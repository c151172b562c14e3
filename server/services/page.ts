import { ServiceError } from './errors.ts'

export interface Page<Item> {
  readonly items: readonly Item[]
  /** Leads to the next page; null on the last. */
  readonly nextCursor: string | null
}

export interface PageRequest {
  readonly cursor?: string | undefined
  readonly limit: number
}

/** What the last row of a page is sorted by, its id behind. Opaque to clients, so that the order may change. */
export type CursorValues = readonly [string, string]

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What the list is sorted by before the id. */
type CursorKind = 'text' | 'stamp'

/** The values of a cursor, or nulls for the first page. */
export function parseCursor(cursor: string | undefined, kind: CursorKind): CursorValues | readonly [null, null] {
  if (cursor === undefined) return [null, null]
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (isCursor(values, kind)) return values
  } catch {
    // Told below, like every other cursor that is none.
  }
  throw new ServiceError('invalid_request', 'The cursor is none of ours: take it from nextCursor as it is.')
}

/** A NUL, and half of a surrogate pair, are text that PostgreSQL does not take. */
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && !value.includes('\0')

const isStamp = (value: unknown): boolean => isText(value) && !Number.isNaN(Date.parse(value))

function isCursor(values: unknown, kind: CursorKind): values is CursorValues {
  if (!Array.isArray(values) || values.length !== 2) return false
  const [first, id] = values as unknown[]
  return (kind === 'stamp' ? isStamp(first) : isText(first)) && isText(id) && UUID.test(id)
}

/** The page out of one row more than it may hold: that there is one more says that there is a next page. */
export function pageOf<Row>(rows: readonly Row[], limit: number, sortedBy: (row: Row) => CursorValues): Page<Row> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const isLast = rows.length <= limit || last === undefined
  return { items, nextCursor: isLast ? null : Buffer.from(JSON.stringify(sortedBy(last))).toString('base64url') }
}
