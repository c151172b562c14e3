import type { CacheStatistics } from '#optimizations/cache/cache-statistics.ts'
import type { DatabaseStats } from '#optimizations/database/database.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { PublisherStats } from '#optimizations/pusher/publisher-statistics.ts'
import type { FindingCounts } from './database-findings.ts'
import type { ProcessMetrics } from './process-monitor.ts'
import type { Members, PerService, ServiceName } from './service-name.ts'

/** In place of what could not be read. */
interface Unreadable {
  readonly error: string
}

interface ServiceMetrics {
  readonly cache: { readonly cache: CacheStatistics | Unreadable }
  readonly database: {
    readonly database: DatabaseStats | Unreadable
    /** What the database has told of its own accord, by kind. */
    readonly databaseFindings: FindingCounts
  }
  readonly pusher: { readonly pusher: PublisherStats | Unreadable }
}

export type OptimizationsMetrics<Name extends ServiceName = ServiceName> = Members<ServiceMetrics, Name> & {
  readonly timestamp: string
  readonly optimizationEnabled: PerService<boolean, Name>
  readonly process: ProcessMetrics
}

/** What `ask` answers, or why it did not. */
export function readOrExplain<T>(ask: () => T): T | Unreadable {
  try {
    return ask()
  } catch (error) {
    return { error: describeError(error) }
  }
}

/** Neither unreadable nor of a service that is not there. */
export const isReadable = <T extends object>(answer: T | Unreadable | undefined): answer is T =>
  answer !== undefined && !('error' in answer)
