import type { EventOutbox } from '#optimizations/pusher/outbox.ts'

/** The outbox as the publisher gets it: from before the database has started until the publisher is stopped. */
export interface DeferredOutbox extends EventOutbox {
  /** From here on a claim brings nothing. What one under way still brings is given back, for another process to take. */
  close(): void
}

/**
 * The outbox of a database that is still starting, so that the publisher need not wait for it to start. What is asked
 * of it waits for the database, and fails when that does.
 */
export function createDeferredOutbox(starting: Promise<EventOutbox>): DeferredOutbox {
  let isClosed = false
  return {
    close: () => {
      isClosed = true
    },
    claim: async (limit, leaseMs) => {
      const outbox = await starting
      if (isClosed) return []
      const events = await outbox.claim(limit, leaseMs)
      if (!isClosed) return events
      if (events.length > 0)
        await outbox.release(
          events.map(({ id }) => id),
          { delayMs: 0, reason: 'stopped', isAttempt: false },
        )
      return []
    },
    acknowledge: async (ids) => (await starting).acknowledge(ids),
    release: async (ids, how) => (await starting).release(ids, how),
    deadLetter: async (ids, reason) => (await starting).deadLetter(ids, reason),
    depth: async () => (await starting).depth(),
    onWake: (listener) => {
      let listening: Disposable | undefined
      let isDisposed = false
      void starting.then(
        (outbox) => {
          if (!isDisposed) listening = outbox.onWake(listener)
        },
        // Whoever claims from it is told.
        () => undefined,
      )
      return {
        [Symbol.dispose]: () => {
          isDisposed = true
          listening?.[Symbol.dispose]()
        },
      }
    },
  }
}
