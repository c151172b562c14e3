import type { Cache } from '#optimizations/cache/cache.ts'
import type { Database } from '#optimizations/database/database.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import type { PerService, ServiceName } from './service-name.ts'

export interface ServiceStop {
  readonly status: 'stopped' | 'failed'
  /** null when it stopped. */
  readonly error: string | null
  readonly durationMs: number
}

export interface StopReport<Name extends ServiceName = ServiceName> {
  /** partial: a service did not stop in good order, or events were left that no outbox holds. */
  readonly status: 'completed' | 'partial'
  readonly durationMs: number
  readonly services: PerService<ServiceStop, Name>
  /** Events that were accepted, not delivered, and are in no outbox. */
  readonly abandonedEvents: number
}

export interface RunningServices {
  readonly cache?: Pick<Cache, 'stop'> | undefined
  readonly database?: Pick<Database, 'stop'> | undefined
  readonly publisher?: Pick<Publisher, 'stop'> | undefined
}

/** In place of services that did not start: there is nothing to stop of those that there are. */
export function neverStarted(services: { readonly [Name in keyof RunningServices]?: unknown }): RunningServices {
  const { cache, database, publisher } = services
  return {
    cache: cache === undefined ? undefined : { stop: async () => undefined },
    database: database === undefined ? undefined : { stop: async () => undefined },
    publisher: publisher === undefined ? undefined : { stop: async () => ({ delivered: 0, abandoned: 0 }) },
  }
}

/** The publisher has the most to do; what it takes beyond its share is taken from the others. */
const PUBLISHER_SHARE = 0.8
/** Even when all time is used up, a service gets a moment to close its connections. */
const LEAST_MS = 100

/** In reverse order of use: the publisher needs the database until its last acknowledgement. */
export async function stopServices(
  clock: Clock,
  { publisher, cache, database }: RunningServices,
  deadlineMs: number,
): Promise<StopReport> {
  const startedAt = clock.monotonic()
  const remainingMs = (): number => Math.max(LEAST_MS, startedAt + deadlineMs - clock.monotonic())
  let abandonedEvents = 0

  const stop = async (what: string, limitMs: number, work: () => Promise<unknown>): Promise<ServiceStop> => {
    const began = clock.monotonic()
    const end = (error: string | null): ServiceStop => ({
      status: error === null ? 'stopped' : 'failed',
      error,
      durationMs: clock.monotonic() - began,
    })
    try {
      await withDeadline(`the stop of ${what}`, limitMs, work())
      return end(null)
    } catch (error) {
      return end(describeError(error))
    }
  }

  const drainMs = deadlineMs * PUBLISHER_SHARE
  const stopped: { [Name in ServiceName]?: ServiceStop } = {}
  if (publisher !== undefined) {
    stopped.pusher = await stop('pusher', Math.max(LEAST_MS, drainMs + LEAST_MS), async () => {
      abandonedEvents = (await publisher.stop(drainMs)).abandoned
    })
  }
  if (cache !== undefined) stopped.cache = await stop('cache', remainingMs(), () => cache.stop())
  if (database !== undefined) stopped.database = await stop('database', remainingMs(), () => database.stop())
  const isComplete = Object.values(stopped).every(({ status }) => status === 'stopped') && abandonedEvents === 0
  return {
    status: isComplete ? 'completed' : 'partial',
    durationMs: clock.monotonic() - startedAt,
    services: stopped as StopReport['services'],
    abandonedEvents,
  }
}
