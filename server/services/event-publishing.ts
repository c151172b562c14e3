import type { TransactionOptions } from '#optimizations/database/database.ts'
import type {
  Optimizations as AllOptimizations,
  UnitOfWork as AnyUnitOfWork,
} from '#optimizations/manager/optimizations.ts'
import type { PublishOptions, PublishReceipt } from '#optimizations/pusher/publisher.ts'
import type { EventData, EventName, PeoplesEvent } from '#server/schemas/events.ts'
import type { EventBuilder } from './event-builder.ts'

/** A unit of work whose events are those of the table, and say what the table lists. */
export interface UnitOfWork extends Omit<AnyUnitOfWork, 'publish'> {
  publish<Name extends EventName>(channel: string, event: Name, data: EventData<Name>): Promise<void>
}

/** The way out for events that belong to no transaction. */
export interface EventPublisher {
  publish<Name extends EventName>(
    channel: string,
    event: Name,
    data: EventData<Name>,
    options?: PublishOptions,
  ): Promise<PublishReceipt>
  /** What people send one another: behind everything that the server tells by itself. */
  relay(channel: string, event: string, data: PeoplesEvent, options?: PublishOptions): Promise<PublishReceipt>
}

/** The optimizations as the use cases get them: there is no way round the table of events. */
export interface Optimizations extends Pick<AllOptimizations, 'database'> {
  transaction<T>(work: (unit: UnitOfWork) => Promise<T>, options?: TransactionOptions): Promise<T>
}

/** Puts the table of events before every way out. */
export function createEventPublishing(
  optimizations: Pick<AllOptimizations, 'publisher' | 'transaction'>,
  events: EventBuilder,
): { readonly publisher: EventPublisher; readonly transaction: Optimizations['transaction'] } {
  const checked = (unit: AnyUnitOfWork): UnitOfWork => ({
    em: unit.em,
    invalidate: (...tags) => unit.invalidate(...tags),
    publish: async (channel, event, data) => unit.publish(channel, event, events.build(event, data)),
  })
  return {
    publisher: {
      publish: async (channel, event, data, options) =>
        optimizations.publisher.publish(channel, event, events.build(event, data), options),
      relay: async (channel, event, data, options) =>
        optimizations.publisher.publish(channel, event, events.buildPeoples(event, data), {
          ...options,
          priority: 'background',
        }),
    },
    transaction: (work, options) => optimizations.transaction((unit) => work(checked(unit)), options),
  }
}
