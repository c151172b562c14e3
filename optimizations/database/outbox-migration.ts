import type { MigrationObject } from '@mikro-orm/core'
import { dropOutboxReplaySql, dropOutboxTableSql, outboxTableSql } from './outbox-table.ts'

type Migration = InstanceType<MigrationObject['class']>

/** As a migration of MikroORM, whose base class is of a package that applications with other migrations do not have. */
class OutboxMigration implements Migration {
  #queries: string[] = []
  protected readonly downSql: string = dropOutboxTableSql

  up(): void {
    this.#queries.push(outboxTableSql)
  }

  down(): void {
    this.#queries.push(this.downSql)
  }

  isTransactional(): boolean {
    return true
  }

  reset(): void {
    this.#queries = []
  }

  setTransactionContext(): void {
    // Everything that it does are its queries.
  }

  getQueries(): string[] {
    return this.#queries
  }
}

class OutboxReplayMigration extends OutboxMigration {
  protected override readonly downSql = dropOutboxReplaySql
}

/** Makes the table of the outbox where it is missing: one for `migrations.migrationsList`. */
export const outboxMigration: MigrationObject = { name: 'hotpath-outbox', class: OutboxMigration }

/** Brings a table that `outboxMigration` made before there was a replay up to it; where it is that already, changes nothing. */
export const outboxReplayMigration: MigrationObject = { name: 'hotpath-outbox-replay', class: OutboxReplayMigration }
