import { randomUUID } from 'node:crypto'
import type { SqlEntityManager } from '@mikro-orm/postgresql'
import { DatabaseError } from './errors.ts'
import { OutboxDeadLetters } from './outbox-dead-letters.ts'
import { OutboxReplay } from './outbox-replay.ts'
import { OUTBOX_TABLE, OUTBOX_WAKE_CHANNEL } from './outbox-table.ts'
import type { RunStatement, RunTransaction } from './run-statement.ts'

export interface OutboxEvent {
  readonly id: string
  readonly channel: string
  readonly event: string
  readonly data: unknown
  readonly socketId: string | null
  /** How often it was given back with `isAttempt`. */
  readonly attempts: number
  readonly createdAt: Date
}

export interface NewOutboxEvent {
  readonly channel: string
  readonly event: string
  readonly data: unknown
  /** The realtime connection that caused the event and must not receive it. */
  readonly socketId?: string | null
}

export interface OutboxRelease {
  readonly delayMs: number
  readonly reason: string
  /** Whether it counts as an attempt. Being claimed does not: nothing need have been sent. */
  readonly isAttempt: boolean
}

export interface OutboxDepth {
  readonly waiting: number
  readonly oldestAgeMs: number
  readonly deadLettered: number
}

/** For how many milliseconds what is of no more use to the relay is kept. */
export interface OutboxRetention {
  readonly deadLettersMs: number
  /** How far back a replay reaches. */
  readonly deliveredMs: number
}

/** How many rows were removed. */
export interface OutboxPurge {
  readonly deadLetters: number
  readonly delivered: number
}

/** What there is to be sent. */
const IS_PENDING = 'dead_at is null and delivered_at is null'

/** No lease and no delay is longer. */
const MAX_REST_MS = 600_000

/** Its time has come; or it is further away than it can have been set, so that the clock of the database was set back. */
const IS_DUE = `(available_at <= clock_timestamp()
  or available_at > clock_timestamp() + ${MAX_REST_MS} * interval '1 millisecond')`

export interface OutboxStoreDeps {
  readonly query: RunStatement
  readonly transaction: RunTransaction
  readonly onNotify: (channel: string, listener: () => void) => Disposable
}

interface ClaimedRow {
  readonly id: string
  readonly channel: string
  readonly event: string
  readonly data: unknown
  readonly socket_id: string | null
  readonly attempts: number
  readonly created_at: string
}

/**
 * Serial ids are not commit order: an id taken earlier may become visible later. The advisory lock makes them so
 * within a channel, because it is held until the transaction ends and the next id of the channel is taken only after.
 * (The subquery is evaluated before the row's default: PostgreSQL never pulls up a subquery with a volatile function.)
 */
const APPEND = `
with added as (
  insert into ${OUTBOX_TABLE} (channel, event, data, socket_id)
  select ?, ?, cast(? as json), ?
  from (select pg_advisory_xact_lock(hashtextextended(?, 0))) as lock
  returning id
)
select id, pg_notify('${OUTBOX_WAKE_CHANNEL}', '') from added`

/**
 * Walks the index from channel to channel to find each one's oldest event, and locks those that are due. The oldest
 * event is the lock of its channel: what another claimer holds is skipped.
 */
const LOCK_HEADS = `
with recursive heads as (
  (select channel, id from ${OUTBOX_TABLE} where ${IS_PENDING} order by channel, id limit 1)
  union all
  select next.channel, next.id
  from heads
  cross join lateral (
    select channel, id from ${OUTBOX_TABLE}
    where ${IS_PENDING} and channel > heads.channel order by channel, id limit 1
  ) as next
)
select channel from ${OUTBOX_TABLE}
where id in (select id from heads) and ${IS_PENDING} and ${IS_DUE}
order by id
limit $1
for update skip locked`

/**
 * A second statement, for the sake of a snapshot taken after the locks. Takes from each channel, oldest first, up to
 * the first event that is leased or delayed, since nothing may overtake it.
 */
const CLAIM = `
with due as (
  select batch.id
  from unnest($4::text[]) as locked(channel)
  cross join lateral (
    select id, bool_and(${IS_DUE}) over (order by id) as free
    from (
      select id, available_at from ${OUTBOX_TABLE}
      where ${IS_PENDING} and channel = locked.channel order by id limit $1
    ) as oldest
  ) as batch
  where batch.free
  order by batch.id
  limit $1
),
claimed as (
  update ${OUTBOX_TABLE} as o
  set available_at = clock_timestamp() + $2 * interval '1 millisecond', claimed_by = $3
  from due where o.id = due.id
  returning o.id, o.channel, o.event, o.data, o.socket_id, o.attempts, o.created_at
)
select id::text, channel, event, data, socket_id, attempts, created_at::text from claimed order by claimed.id`

/**
 * The transactional outbox: events are rows of the same transaction as the change that they tell of, so that neither
 * exists without the other. Delivery is at least once; the order within a channel is the order of the commits.
 */
export class OutboxStore {
  readonly deadLetters: OutboxDeadLetters
  readonly replay: OutboxReplay
  readonly #deps: OutboxStoreDeps
  /** Marks the claims of this store: what it gives back after its lease ran out may be another's by then. */
  readonly #claimer = randomUUID()

  constructor(deps: OutboxStoreDeps) {
    this.#deps = deps
    this.deadLetters = new OutboxDeadLetters(deps)
    this.replay = new OutboxReplay(deps.query)
  }

  /**
   * Writes the event in the transaction of `em`. The channel is locked until that transaction ends, so append last.
   * Rejects with `outbox_outside_transaction` when there is none.
   */
  async append(em: SqlEntityManager, { channel, event, data, socketId }: NewOutboxEvent): Promise<void> {
    if (!em.isInTransaction()) {
      throw new DatabaseError('outbox_outside_transaction', 'An outbox event is appended only inside a transaction', {
        details: { channel, event },
      })
    }
    const lock = `${OUTBOX_TABLE}:${channel}`
    await em.execute(APPEND, [channel, event, JSON.stringify(data ?? null), socketId ?? null, lock])
  }

  /**
   * Claims up to `limit` events, oldest first, in order per channel: never an event of a channel that has an earlier
   * one unacknowledged elsewhere. A claim is a lease: after `leaseMs` without an answer the event is claimable again. Rejects
   * with a RangeError where that is more than ten minutes.
   */
  async claim(limit: number, leaseMs: number): Promise<readonly OutboxEvent[]> {
    if (leaseMs > MAX_REST_MS)
      throw new RangeError(`A lease of the outbox is at most ${MAX_REST_MS} ms, and not ${leaseMs}`)
    const rows = await this.#deps.transaction(async (query) => {
      const heads = (await query(LOCK_HEADS, [limit])) as readonly { channel: string }[]
      if (heads.length === 0) return []
      return await query(CLAIM, [limit, leaseMs, this.#claimer, heads.map(({ channel }) => channel)])
    })
    return (rows as readonly ClaimedRow[]).map((row) => ({
      id: row.id,
      channel: row.channel,
      event: row.event,
      data: row.data,
      socketId: row.socket_id,
      attempts: row.attempts,
      createdAt: new Date(row.created_at),
    }))
  }

  /** Delivered, whoever holds them by now. They stay for a while, for pages that were away. */
  async acknowledge(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await this.#deps.query(
      `update ${OUTBOX_TABLE} set delivered_at = clock_timestamp(), dead_at = null
       where id = any($1::bigint[]) and delivered_at is null`,
      [ids],
    )
  }

  /** Gives events back to be tried again after `delayMs`, at most ten minutes; later events of their channels wait with them. */
  async release(ids: readonly string[], { delayMs, reason, isAttempt }: OutboxRelease): Promise<void> {
    if (ids.length === 0) return
    await this.#deps.query(
      `with released as (
         update ${OUTBOX_TABLE}
         set available_at = clock_timestamp() + $2 * interval '1 millisecond', claimed_by = null, reason = $3,
           attempts = attempts + $5::int
         where id = any($1::bigint[]) and claimed_by = $4 and ${IS_PENDING}
         returning id
       )
       select pg_notify('${OUTBOX_WAKE_CHANNEL}', '') from released limit 1`,
      [ids, Math.min(delayMs, MAX_REST_MS), reason, this.#claimer, isAttempt ? 1 : 0],
    )
  }

  /** Sets events aside for good: their channels go on without them. They are kept until `purge`. */
  async deadLetter(ids: readonly string[], reason: string): Promise<void> {
    if (ids.length === 0) return
    await this.#deps.query(
      `with dead as (
         update ${OUTBOX_TABLE} set dead_at = clock_timestamp(), claimed_by = null, reason = $2
         where id = any($1::bigint[]) and claimed_by = $3 and ${IS_PENDING}
         returning id
       )
       select pg_notify('${OUTBOX_WAKE_CHANNEL}', '') from dead limit 1`,
      [ids, reason, this.#claimer],
    )
  }

  /** Calls `listener` when new events may be there; disposing stops it. Messages can be lost: poll as well. */
  onWake(listener: () => void): Disposable {
    return this.#deps.onNotify(OUTBOX_WAKE_CHANNEL, listener)
  }

  async depth(): Promise<OutboxDepth> {
    const [row] = await this.#deps.query(
      `select count(*)::int as waiting,
         (select count(*) from ${OUTBOX_TABLE} where dead_at is not null)::int as "deadLettered",
         greatest(extract(epoch from clock_timestamp() - min(created_at)) * 1000, 0)::float8 as "oldestAgeMs"
       from ${OUTBOX_TABLE} where ${IS_PENDING}`,
      [],
    )
    return row as OutboxDepth
  }

  /** Rejects with `outbox_missing` where there is no table, or one of before, which every later call would fail for. */
  async requireTable(): Promise<void> {
    const table = OUTBOX_TABLE
    const columns = await this.#deps.query(
      `select attname as name from pg_attribute
       where attrelid = to_regclass('${table}') and attname in ('id', 'delivered_at') and not attisdropped`,
      [],
    )
    if (columns.length === 2) return
    const message =
      columns.length === 0
        ? `The table ${table} is missing: it comes by \`outboxMigration\``
        : `The table ${table} is one of before: \`outboxReplayMigration\` adds what is missing`
    throw new DatabaseError('outbox_missing', message, { details: { table } })
  }

  /** Removes what is kept for longer than that: dead letters, and what was delivered. */
  async purge({ deadLettersMs, deliveredMs }: OutboxRetention): Promise<OutboxPurge> {
    const dead = await this.#deps.query(
      `delete from ${OUTBOX_TABLE} where dead_at < clock_timestamp() - $1 * interval '1 millisecond' returning id`,
      [deadLettersMs],
    )
    return { deadLetters: dead.length, delivered: await this.replay.purge(deliveredMs) }
  }
}
