import type { Cache } from '#optimizations/cache/cache.ts'
import type { Database, EntityManager, TransactionOptions } from '#optimizations/database/database.ts'
import type { Health, HealthStatus } from '#optimizations/kernel/health.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import type { OptimizationsMetrics } from './metrics.ts'
import type { Members, PerService, ServiceName } from './service-name.ts'
import type { OptimizationsStatus } from './start-report.ts'
import type { StopReport } from './stop-services.ts'
import type { WarmingPlan, WarmReport } from './warm.ts'

interface UnitMembers {
  readonly cache: {
    /** These tags are invalidated after the commit, before `transaction` resolves. */
    invalidate(...tags: readonly string[]): void
  }
  readonly database: { readonly em: EntityManager }
  readonly pusher: {
    /** The event is committed together with the data and delivered after it, or never. Publish last: it locks the channel. */
    publish(channel: string, event: string, data: unknown, socketId?: string): Promise<void>
  }
}

/** One change to the data, with what has to happen when it is committed, and must not when it is not. */
export type UnitOfWork<Name extends ServiceName = ServiceName> = Members<UnitMembers, Name>

export interface OptimizationsHealth<Name extends ServiceName = ServiceName> {
  readonly status: HealthStatus
  /** What keeps the whole from being healthy, each reason with the name of its service in front. */
  readonly reasons: readonly string[]
  readonly services: PerService<Health, Name>
}

interface ServiceMembers<Name extends ServiceName> {
  readonly cache: {
    readonly cache: Cache
    /**
     * Reads what the plan names, so that it is there before it is asked for, and says for each item what became of it.
     * Calls that come meanwhile get the same report. Skipped where nothing would be kept.
     */
    warm(plan: WarmingPlan): Promise<WarmReport>
  }
  readonly database: {
    readonly database: Database
    /**
     * Runs `work` in one transaction: rows and events commit together; after the commit the tags are invalidated. `work`
     * may run several times (serialization failures are retried) and does nothing that a rollback would not undo.
     */
    transaction<T>(work: (unit: UnitOfWork<Name>) => Promise<T>, options?: TransactionOptions): Promise<T>
  }
  readonly pusher: { readonly publisher: Publisher }
}

interface Together<Name extends ServiceName> extends AsyncDisposable {
  /** How far the start has come, retries in the background included. Asks nobody. */
  status(): OptimizationsStatus<Name>
  /** Probes all at once. Without the database it is unhealthy; the other two only degrade it. */
  health(): Promise<OptimizationsHealth<Name>>
  /** Everything that is counted, of all services and of the process. A part that cannot be asked says so in its place. */
  metrics(): OptimizationsMetrics<Name>
  /** The same in the text format of Prometheus. */
  prometheus(): Promise<string>
  /** Stops in reverse order of use: the publisher sends what is queued, then the cache, then the database. */
  stop(deadlineMs?: number): Promise<StopReport<Name>>
}

/** Cache, database and publisher together, or those of them that an application has: the only place where they meet. */
export type Optimizations<Name extends ServiceName = ServiceName> = Members<ServiceMembers<Name>, Name> & Together<Name>
