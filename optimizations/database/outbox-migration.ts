import type { MigrationObject } from '@mikro-orm/core'
import { dropOutboxTableSql, outboxTableSql } from './outbox-table.ts'

type Migration = InstanceType<MigrationObject['class']>

/** As a migration of MikroORM, whose base class is of a package that applications with other migrations do not have. */
class OutboxMigration implements Migration {
  #queries: string[] = []

  up(): void {
    this.#queries.push(outboxTableSql)
  }

  down(): void {
    this.#queries.push(dropOutboxTableSql)
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

/** Makes the table of the outbox where it is missing: one for `migrations.migrationsList`. */
export const outboxMigration: MigrationObject = { name: 'hotpath-outbox', class: OutboxMigration }
