import type { Shipment } from './lane-schedule.ts'
import type { PusherTransport } from './pusher-transport.ts'
import type { SendOutcome } from './send-outcome.ts'
import type { QueuedEvent } from './queued-event.ts'
import type { RequestBodies } from './request-bodies.ts'

/**
 * Writes and sends requests, and throws nothing: whatever goes wrong is an outcome, because only an outcome gives back the
 * lanes, the connection and the breaker that wait for it.
 */
export class EventSender {
  readonly #transport: PusherTransport
  readonly #bodies: RequestBodies

  constructor(transport: PusherTransport, bodies: RequestBodies) {
    this.#transport = transport
    this.#bodies = bodies
  }

  /** Undefined where one of the events cannot be written. */
  write(events: readonly QueuedEvent[], form: Shipment['form']): string | undefined {
    try {
      return form === 'multi' ? this.#bodies.ofChannels(events) : this.#bodies.ofBatch(events)
    } catch {
      return undefined
    }
  }

  async send(body: string, form: Shipment['form']): Promise<SendOutcome> {
    try {
      return await this.#transport.send(form === 'multi' ? '/events' : '/batch_events', body)
    } catch (error) {
      return { kind: 'unavailable', reason: error instanceof Error ? error.name : 'failed' }
    }
  }
}
