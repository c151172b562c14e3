import { OUTBOX_TABLE, OUTBOX_WAKE_CHANNEL } from './outbox-table.ts'
import type { RunStatement, RunTransaction } from './run-statement.ts'

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

const IS_CHOSEN = 'dead_at is not null and ($1::bigint[] is null or id = any($1))'

/**
 * Until the transaction ends nothing is appended to these channels: who has seen a later event than what comes back here
 * has seen what comes back here too.
 */
const LOCK_CHANNELS = `
select channel, pg_advisory_xact_lock(hashtextextended('${OUTBOX_TABLE}:' || channel, 0))
from (select distinct channel from ${OUTBOX_TABLE} where ${IS_CHOSEN} order by channel) as channels`

/** The new position is behind everything that anybody can have seen, so that a replay brings what comes back. */
const REQUEUE = `
with chosen as (
  select id from ${OUTBOX_TABLE} where ${IS_CHOSEN} and channel = any($2::text[]) order by id for update
),
numbered as (
  select id, nextval(pg_get_serial_sequence('${OUTBOX_TABLE}', 'id')) as position from chosen
),
requeued as (
  update ${OUTBOX_TABLE} as o
  set dead_at = null, reason = null, attempts = 0, available_at = '-infinity', position = numbered.position
  from numbered where o.id = numbered.id
  returning o.id
)
select pg_notify('${OUTBOX_WAKE_CHANNEL}', '') from requeued`

/** What the outbox has set aside, for an operator: nothing but `requeue` brings it back, and after a while it is purged. */
export class OutboxDeadLetters {
  readonly #query: RunStatement
  readonly #transaction: RunTransaction

  constructor({ query, transaction }: { readonly query: RunStatement; readonly transaction: RunTransaction }) {
    this.#query = query
    this.#transaction = transaction
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
    const chosen = ids === 'all' ? null : ids
    return this.#transaction(async (query) => {
      const locked = (await query(LOCK_CHANNELS, [chosen])) as readonly { readonly channel: string }[]
      const rows = await query(REQUEUE, [chosen, locked.map(({ channel }) => channel)])
      return rows.length
    })
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
