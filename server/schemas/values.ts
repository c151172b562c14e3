import { z } from 'zod'
import { wholeNumber } from './number-text.ts'

const CONTROLS = /\p{Cc}/u
const CONTROLS_BUT_LINES = /[^\P{Cc}\r\n\t]/u

// Not as a pattern of the schema: without the flag `u`, which JSON Schema cannot tell, it would mean something else.
const isText = (value: string): boolean => value.isWellFormed() && !CONTROLS.test(value)
const isProse = (value: string): boolean => value.isWellFormed() && !CONTROLS_BUT_LINES.test(value)
const NO_TEXT = 'has characters that are no text'

/** Text of one line. PostgreSQL takes neither a NUL nor half of a surrogate pair; the other controls are for nobody. */
export const text = (maxLength: number) => z.string().min(1).max(maxLength).refine(isText, NO_TEXT)

/** Text of any number of lines. */
export const prose = (maxLength: number) => z.string().max(maxLength).refine(isProse, NO_TEXT)

const DEEPEST = 32

/** Whether PostgreSQL can keep it as jsonb. Without recursion: the depth comes from outside. */
function isStorable(value: unknown): boolean {
  const waiting: { readonly part: unknown; readonly depth: number }[] = [{ part: value, depth: 0 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { part, depth } = next
    if (typeof part === 'string' && (part.includes('\0') || !part.isWellFormed())) return false
    if (typeof part !== 'object' || part === null) continue
    if (depth === DEEPEST) return false
    for (const entry of Object.entries(part).flat()) waiting.push({ part: entry, depth: depth + 1 })
  }
  return true
}

/** Whatever else people want to keep with something. */
export const FreeForm = z
  .record(z.string(), z.unknown())
  .refine(isStorable, `has characters that are no text, or is deeper than ${DEEPEST} levels`)

/** An id in a request. Either letter case is the same id: everything behind the schema knows the one that is stored. */
export const Id = z.uuid().toLowerCase()

export const IdParams = z.object({ id: Id })

/** ISO 8601 with `Z`. */
export const Stamp = z.iso.datetime()

export const GradeLevel = z.number().int().min(1).max(12)
/** The largest that a PostgreSQL integer holds. */
export const Count = z.number().int().min(0).max(2_147_483_647)
export const Version = z.number().int().min(1).max(2_147_483_647)
export const Percent = z.number().min(0).max(100)

export const GradeQuery = { grade: wholeNumber(1, 12).optional() }

/** A text of 200 characters in JSON, with an id, in base64url: at most six bytes a character. */
export const MAX_CURSOR_LENGTH = 2_048

/** What every list takes. */
export const PageQuery = {
  cursor: z.string().min(1).max(MAX_CURSOR_LENGTH).optional(),
  limit: wholeNumber(1, 100).default(20),
}

/** A page of a list; `nextCursor` leads to the next one and is null on the last. */
export const page = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })
