import { z } from 'zod'

/** The longest time that a timer of Node can wait, and the largest integer of PostgreSQL. */
const MAXIMUM = 2_147_483_647

/**
 * A whole number where everything is text, as in a query or in the environment: digits as people write them. What
 * `Number` takes as well (`1e1`, `0x10`, blanks) is refused.
 */
export const wholeNumber = (minimum: number, maximum = MAXIMUM) =>
  z
    .string()
    .regex(/^(?:0|[1-9]\d{0,9})$/, 'is not a whole number')
    .transform(Number)
    .pipe(z.number().int().min(minimum).max(maximum))
    // For the OpenAPI document: the type of the value, not of its spelling.
    .meta({ type: 'integer', minimum, maximum, pattern: undefined })

/** The same with a fraction. */
export const decimalNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^(?:0|[1-9]\d{0,9})(?:\.\d{1,9})?$/, 'is not a decimal number')
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum))
