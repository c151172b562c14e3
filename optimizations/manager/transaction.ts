import type { Cache } from '#optimizations/cache/cache.ts'
import type { Database, TransactionOptions } from '#optimizations/database/database.ts'
import type { EventToPublish } from '#optimizations/pusher/publisher.ts'
import type { UnitOfWork } from './optimizations.ts'

export interface TransactionDeps {
  readonly database: Pick<Database, 'transaction' | 'outbox'>
  /** Absent where nothing is kept: then there is nothing to invalidate. */
  readonly cache?: Pick<Cache, 'invalidateTags'> | undefined
  /**
   * Sends the events of a committed transaction. Absent where the outbox carries them: then they are rows of the same
   * transaction, and nothing can come between.
   */
  readonly publishAfterCommit?: ((events: readonly EventToPublish[]) => Promise<void>) | undefined
}

/** Rows and events → commit → tags → events. A rollback invalidates and publishes nothing. */
export async function runTransaction<T>(
  deps: TransactionDeps,
  work: (unit: UnitOfWork) => Promise<T>,
  options?: TransactionOptions,
): Promise<T> {
  // Filled anew by each attempt: what an attempt that was rolled back wanted does not count.
  let tags = new Set<string>()
  let events: EventToPublish[] = []

  const result = await deps.database.transaction(async (em) => {
    const attempt = { tags: new Set<string>(), events: [] as EventToPublish[] }
    const unit: UnitOfWork = {
      em,
      invalidate: (...names) => {
        for (const name of names) attempt.tags.add(name)
      },
      publish: async (channel, event, data, socketId) => {
        if (deps.publishAfterCommit === undefined) {
          await deps.database.outbox.append(em, { channel, event, data, socketId: socketId ?? null })
          return
        }
        attempt.events.push({ channel, event, data, options: { socketId } })
      },
    }
    const value = await work(unit)
    ;({ tags, events } = attempt)
    return value
  }, options)

  if (tags.size > 0) await deps.cache?.invalidateTags([...tags])
  if (events.length > 0) await deps.publishAfterCommit?.(events)
  return result
}
