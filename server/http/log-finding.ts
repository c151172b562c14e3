import type { Logger } from 'pino'
import type { DatabaseFinding } from '#optimizations/manager/database-findings.ts'

/** A plan repeats the values that a statement came with. */
const SQL_LITERAL = /'(?:[^']|'')*'/g

/** One line for each finding of the database, without a value of anybody's. */
export function logFinding(logger: Logger, { kind, found }: DatabaseFinding): void {
  switch (kind) {
    case 'slow_query':
      return logger.warn({ ...found, plan: found.plan?.replaceAll(SQL_LITERAL, "'?'") ?? null }, 'slow query')
    case 'repeated_query':
      return logger.warn({ ...found }, 'query repeated within a request')
    case 'leak':
      return logger.warn({ ...found }, 'connection held for long')
    case 'transaction_retry':
      return logger.info({ err: found.error, attempt: found.attempt }, 'transaction repeated')
  }
}
