import { OUTBOX_TABLE, OUTBOX_WAKE_CHANNEL } from './outbox-table.ts'

/** An event that was set aside. Without its data, which may be personal. */
export interface DeadLetter {
  readonly id: string
  readonly channel: string
  readonly event: string
  readonly reason: string
  readonly createdAt: Date
  readonly deadAt: Date
}

export interface DeadLetterPage {
  readonly limit: number
  /** Only what was written before the event of this id. */
  readonly beforeId?: string | undefined
}

interface DeadRow {
  readonly id: string
  readonly channel: string
  readonly event: string
  readonly reason: string | null
  readonly created_at: string
  readonly dead_at: string
}

/** What the outbox has set aside, for an operator: nothing but `requeue` brings it back, and after a while it is purged. */
export class OutboxDeadLetters {
  readonly #query: (sql: string, params: readonly unknown[]) => Promise<readonly object[]>

  constructor(query: (sql: string, params: readonly unknown[]) => Promise<readonly object[]>) {
    this.#query = query
  }

  /** The newest events first. */
  async list({ limit, beforeId }: DeadLetterPage): Promise<readonly DeadLetter[]> {
    const rows = await this.#query(
      `select id::text, channel, event, reason, created_at::text, dead_at::text
       from ${OUTBOX_TABLE} where dead_at is not null and ($2::bigint is null or id < $2)
       order by id desc limit $1`,
      [limit, beforeId ?? null],
    )
    return (rows as readonly DeadRow[]).map(({ id, channel, event, reason, created_at, dead_at }) => ({
      id,
      channel,
      event,
      reason: reason ?? '',
      createdAt: new Date(created_at),
      deadAt: new Date(dead_at),
    }))
  }

  /**
   * Puts them back, with no attempt counted, and answers how many were there. They go before what waits on their
   * channels, because they are older; after what was delivered meanwhile, because that cannot be taken back.
   */
  async requeue(ids: readonly string[] | 'all'): Promise<number> {
    const rows = await this.#query(
      `with requeued as (
         update ${OUTBOX_TABLE}
         set dead_at = null, reason = null, attempts = 0, available_at = '-infinity'
         where dead_at is not null and ($1::bigint[] is null or id = any($1))
         returning id
       )
       select pg_notify('${OUTBOX_WAKE_CHANNEL}', '') from requeued`,
      [ids === 'all' ? null : ids],
    )
    return rows.length
  }

  /** Removes one for good; false when it is not there. */
  async discard(id: string): Promise<boolean> {
    const rows = await this.#query(
      `delete from ${OUTBOX_TABLE} where id = $1::bigint and dead_at is not null returning id`,
      [id],
    )
    return rows.length > 0
  }
}
