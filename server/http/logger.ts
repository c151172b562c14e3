import { pino, type DestinationStream, type Logger, type LevelWithSilent } from 'pino'
import { AppError } from '#optimizations/kernel/errors.ts'

/** Only where the error came from: its first lines repeat the message. */
function framesOf({ stack = '' }: Error): string[] {
  return stack
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '))
    .slice(0, 12)
}

/**
 * What a log may show of an error: chosen by name, because anything else may hold a secret. Errors of SQL carry the
 * statement with its values in the message, and PostgreSQL repeats values in `detail`: of those only the code is shown.
 */
function serializeError(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const code: unknown = 'code' in error ? error.code : undefined
  const isOwn = error instanceof AppError
  const isOfSql = 'query' in error || 'sqlMessage' in error || 'routine' in error || 'detail' in error
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    ...(isOfSql ? {} : { message: error.message }),
    ...(isOwn ? { details: error.details } : {}),
    stack: framesOf(error),
    ...(error.cause === undefined || depth >= 4 ? {} : { cause: serializeError(error.cause, depth + 1) }),
  }
}

const REDACTED = ['password', 'passwordHash', 'token', 'authorization', 'cookie', 'secret', 'url']

/** One JSON line for each entry. What is called like a secret is not shown, and of errors only what is known harmless. */
export function createLogger(level: LevelWithSilent, destination?: DestinationStream): Logger {
  const options = {
    level,
    redact: REDACTED.flatMap((name) => [`*.${name}`, `*.*.${name}`]),
    serializers: { err: (error: unknown) => serializeError(error) },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
