import type { EventToPublish, Publisher } from '#optimizations/pusher/publisher.ts'

/** Waits for Pusher's answer to every event. An event that is refused is counted, and fails nothing. */
export function publishAndWait(publisher: Publisher): (events: readonly EventToPublish[]) => Promise<void> {
  return async (events) => {
    const receipts = await publisher.publishMany(events)
    await Promise.all(receipts.map((receipt) => receipt.settled))
  }
}
