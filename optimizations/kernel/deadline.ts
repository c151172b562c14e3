import { AppError } from './errors.ts'

class DeadlineExceededError extends AppError<'deadline_exceeded'> {
  constructor(what: string, ms: number) {
    super('deadline_exceeded', `${what} did not finish within ${ms} ms`, { retryable: true, details: { what, ms } })
  }
}

/**
 * Settles like `work`, or rejects with DeadlineExceededError after `ms`. The work itself goes on: pass it the
 * signal of its own where it can be cancelled. A late rejection of the work is swallowed, its time being over.
 */
export async function withDeadline<T>(what: string, ms: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new DeadlineExceededError(what, ms)), ms)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
