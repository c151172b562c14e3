import type { EventOutbox } from '#optimizations/pusher/outbox.ts'

/**
 * The outbox of a database that is still starting, so that the publisher need not wait for it to start. What is asked
 * of it waits for the database, and fails when that does.
 */
export function createDeferredOutbox(starting: Promise<EventOutbox>): EventOutbox {
  return {
    claim: async (limit, leaseMs) => (await starting).claim(limit, leaseMs),
    acknowledge: async (ids) => (await starting).acknowledge(ids),
    release: async (ids, delayMs, reason) => (await starting).release(ids, delayMs, reason),
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
