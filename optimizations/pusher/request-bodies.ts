import { isEncryptedChannel } from './event-limits.ts'
import type { QueuedEvent } from './queued-event.ts'
import { batchItem, multiChannelBody, stampedField, type Encrypt } from './wire-format.ts'

/** Writes the bodies of requests: stamps events as they go out, and encrypts where the channel asks for it. */
export class RequestBodies {
  readonly #link: (event: QueuedEvent) => string | undefined
  readonly #encrypt: Encrypt

  /** `link` answers the id of the event before this one on its channel, which from then on is the last one. */
  constructor(link: (event: QueuedEvent) => string | undefined, encrypt: Encrypt) {
    this.#link = link
    this.#encrypt = encrypt
  }

  /** Of `batch_events`. */
  ofBatch(events: readonly QueuedEvent[]): string {
    let items = ''
    // Put together by + and made one piece by whoever reads it first: join() would copy it once more.
    for (const event of events) items += items === '' ? this.#wire(event) : `,${this.#wire(event)}`
    return `{"batch":[${items}]}`
  }

  /**
   * Of `events`: the same event on its channels. All get the same bytes, so that the stamp names no event before it: each
   * channel has another one.
   */
  ofChannels(events: readonly QueuedEvent[]): string {
    const [{ input }] = events as readonly [QueuedEvent]
    for (const event of events) this.#link(event)
    const stamped = stampedField(input.json, { id: input.id, after: undefined, at: input.publishedAt })
    const channels = events.map((event) => event.input.channel)
    return multiChannelBody(channels, input.event, stamped, input.socketId)
  }

  #wire(event: QueuedEvent): string {
    if (event.wire !== undefined) return event.wire
    const { channel, id, json, publishedAt, socketId } = event.input
    const stamped = stampedField(json, { id, after: this.#link(event), at: publishedAt })
    const data = isEncryptedChannel(channel) ? this.#encrypt(channel, stamped) : stamped
    event.wire = batchItem(channel, event.input.event, data, socketId)
    return event.wire
  }
}
