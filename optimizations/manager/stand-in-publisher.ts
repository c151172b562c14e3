import type { Health } from '#optimizations/kernel/health.ts'
import type { ChannelState } from '#optimizations/pusher/channel-state.ts'
import { PusherError } from '#optimizations/pusher/errors.ts'
import type {
  EventToPublish,
  Publisher,
  PublishOptions,
  PublishReceipt,
  StopReport,
} from '#optimizations/pusher/publisher.ts'
import { PublisherStatistics, type PublisherStats } from '#optimizations/pusher/publisher-statistics.ts'

const NO_GAUGES = {
  backgroundPending: 0,
  queuedBytes: 0,
  queueAgeMs: 0,
  poolSize: 0,
  batchConfig: { batchSize: 0, batchTimeoutMs: 0 },
  rateLimit: { callsPerSecond: 0, current: 0 },
  breaker: 'open',
} as const

/**
 * Stands in for a publisher that could not be started: it accepts nothing, so that nothing is lost unseen. Events of
 * transactions wait in the outbox for the real one.
 */
export class StandInPublisher implements Publisher {
  readonly #statistics = new PublisherStatistics()
  readonly #reason: () => string
  #publisher: Publisher | undefined

  /** `reason` says why the real publisher is not there. */
  constructor(reason: () => string) {
    this.#reason = reason
  }

  become(publisher: Publisher): void {
    this.#publisher = publisher
  }

  get channels(): ChannelState {
    return (
      this.#publisher?.channels ?? {
        info: async () => this.#refuse(),
        users: async () => this.#refuse(),
        terminateConnections: async () => this.#refuse(),
        // Pusher repeats what is not accepted.
        receiveWebhook: async () => false,
      }
    )
  }

  async publish(
    channel: string | readonly string[],
    event: string,
    data: unknown,
    options?: PublishOptions,
  ): Promise<PublishReceipt> {
    return this.#publisher?.publish(channel, event, data, options) ?? this.#refuse()
  }

  async publishMany(events: readonly EventToPublish[]): Promise<readonly PublishReceipt[]> {
    return this.#publisher?.publishMany(events) ?? this.#refuse()
  }

  async health(): Promise<Health> {
    return this.#publisher?.health() ?? { status: 'unhealthy', reasons: [this.#reason()] }
  }

  stats(): PublisherStats {
    return this.#publisher?.stats() ?? this.#statistics.snapshot(NO_GAUGES)
  }

  recordDelivery(latencyMs: number): void {
    this.#publisher?.recordDelivery(latencyMs)
  }

  async stop(deadlineMs?: number): Promise<StopReport> {
    return this.#publisher?.stop(deadlineMs) ?? { delivered: 0, abandoned: 0 }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #refuse(): never {
    this.#statistics.recordRejected('pusher_unreachable')
    throw new PusherError('pusher_unreachable', `The publisher has not started: ${this.#reason()}`)
  }
}
