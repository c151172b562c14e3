import { z } from 'zod'

/** Text for people: no control characters, which PostgreSQL cannot even be asked about. */
export const text = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[^\p{Cc}]*$/u, 'has control characters')

/** Longer text: lines and tabs too. */
export const prose = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .regex(/^(?:[^\p{Cc}]|[\r\n\t])*$/u, 'has control characters')

export const IdParams = z.object({ id: z.uuid() })

/** ISO 8601 with `Z`. */
export const Stamp = z.iso.datetime()

export const GradeLevel = z.number().int().min(1).max(12)
/** The largest that a PostgreSQL integer holds. */
export const Count = z.number().int().min(0).max(2_147_483_647)
export const Version = z.number().int().min(1).max(2_147_483_647)
export const Percent = z.number().min(0).max(100)

/** What every list takes. */
export const PageQuery = {
  cursor: z.string().min(1).max(512).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
}

/** A page of a list; `nextCursor` leads to the next one and is null on the last. */
export const page = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })
