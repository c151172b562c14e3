/** `hotpath/database`: the database by itself. Needs @mikro-orm/core, @mikro-orm/postgresql and pg. */
export { startDatabase, type DatabaseDeps, type DatabaseOptions } from '#optimizations/database/start-database.ts'
export { outboxMigration, outboxReplayMigration } from '#optimizations/database/outbox-migration.ts'
export { DatabaseError, sqlStateOf, type DatabaseErrorCode } from '#optimizations/database/errors.ts'
export type { OrmOptions } from '#optimizations/database/orm/orm-options.ts'
export type {
  ChannelReplay,
  OutboxReplay,
  ReplayedEvent,
  ReplayQuestion,
} from '#optimizations/database/outbox-replay.ts'
export type { OutboxStore, OutboxEvent, NewOutboxEvent } from '#optimizations/database/outbox-store.ts'
export type { CachedQueryOptions, CacheReads, Database, DatabaseHealth } from '#optimizations/database/database.ts'
export type { DatabaseStats, EntityManager, ForkOptions, Row, Statements } from '#optimizations/database/database.ts'
export type { QueryOptions, TransactionOptions } from '#optimizations/database/database.ts'
