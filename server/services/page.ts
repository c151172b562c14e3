import { z } from 'zod'
import { ServiceError } from './errors.ts'
import { isPosition } from './stamps.ts'

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

/** As PostgreSQL writes them. */
const Id = z.string().regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)

/** By what the list is sorted before the id: a NUL, and half of a surrogate pair, are text that PostgreSQL does not take. */
const CURSORS = {
  text: z.tuple([z.string().refine((text) => text.isWellFormed() && !text.includes('\0')), Id]),
  /** A `timestamp` in UTC, as text: with the microseconds that a JavaScript date does not have. */
  stamp: z.tuple([z.string().refine(isPosition), Id]),
} as const satisfies Record<string, z.ZodType<[string, string]>>

const encodeCursor = (values: CursorValues): string => Buffer.from(JSON.stringify(values)).toString('base64url')

function decodeCursor(cursor: string, kind: keyof typeof CURSORS): CursorValues | undefined {
  try {
    const values = CURSORS[kind].safeParse(JSON.parse(Buffer.from(cursor, 'base64url').toString())).data
    // One text for each position: what is not as we write it was not written by us.
    return values !== undefined && encodeCursor(values) === cursor ? values : undefined
  } catch {
    return undefined
  }
}

/** The values of a cursor, or nulls for the first page. Throws `invalid_request` for a cursor that no page has led to. */
export function parseCursor(
  cursor: string | undefined,
  kind: keyof typeof CURSORS,
): CursorValues | readonly [null, null] {
  if (cursor === undefined) return [null, null]
  const values = decodeCursor(cursor, kind)
  if (values !== undefined) return values
  throw new ServiceError('invalid_request', 'The cursor is none of ours: take it from nextCursor as it is.')
}

/** The page out of one row more than it may hold: that there is one more says that there is a next page. */
export function pageOf<Row>(rows: readonly Row[], limit: number, sortedBy: (row: Row) => CursorValues): Page<Row> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const isLast = rows.length <= limit || last === undefined
  return { items, nextCursor: isLast ? null : encodeCursor(sortedBy(last)) }
}
