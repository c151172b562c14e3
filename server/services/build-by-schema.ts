import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import { AppError } from '#optimizations/kernel/errors.ts'

/** Thrown when something that is about to leave does not fit its schema. Names paths, and shows no value. */
export class SchemaMismatchError extends AppError<'schema_mismatch'> {
  constructor(message: string) {
    super('schema_mismatch', message)
  }
}

export interface BuildOptions {
  /** What is built, for the error: `A reply`. */
  readonly what: string
  /**
   * For tests and development: a value with members that the schema does not know is refused too, instead of being sent
   * without them.
   */
  readonly isStrict: boolean
}

/** Whether both are the same JSON: what is undefined is not sent. */
function isSameJson(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)))
}

/**
 * The value, built by name from the schema: members that the schema does not know are left out. Everything that leaves
 * the process goes through here. Throws SchemaMismatchError where the value does not fit.
 */
export function buildBySchema<Built>(
  schema: z.ZodType<Built>,
  value: unknown,
  { what, isStrict }: BuildOptions,
): Built {
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'the whole'} (${code})`)
    throw new SchemaMismatchError(`${what} does not fit its schema: ${faults.join(', ')}.`)
  }
  if (isStrict && !isSameJson(value, parsed.data)) {
    throw new SchemaMismatchError(`${what} has members that its schema does not know.`)
  }
  return parsed.data
}
