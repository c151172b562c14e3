import { Migration } from '@mikro-orm/migrations'
import { dropOutboxReplaySql, outboxTableSql } from '#optimizations/database/outbox-table.ts'

/** What was delivered stays in the outbox for a while, for pages that were away. */
export class Migration20261128EventReplay extends Migration {
  override up(): void {
    this.addSql(outboxTableSql)
  }

  override down(): void {
    this.addSql(dropOutboxReplaySql)
  }
}
