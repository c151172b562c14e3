import { OUTBOX_TABLE } from './outbox-table.ts'
import type { RunStatement } from './run-statement.ts'

/** Positions are decimal numbers that fit a bigint. They grow in the order in which a subscriber can have seen events. */
export interface ReplayQuestion {
  readonly channel: string
  /** The last position that was seen; null asks where the channel is now, and for no event. */
  readonly after: string | null
}

export interface ReplayedEvent {
  /** As it stands in the stamp of the event that Pusher delivers: a subscriber drops what comes both ways. */
  readonly id: string
  readonly position: string
  readonly event: string
  readonly data: unknown
  readonly createdAt: Date
}

export interface ChannelReplay {
  readonly channel: string
  /** In order. What is committed and not sent yet is among them. */
  readonly events: readonly ReplayedEvent[]
  /** There are more: ask again after `position`. */
  readonly hasMore: boolean
  /** False when something after the asked position is not there any more, or was set aside as a dead letter. */
  readonly isComplete: boolean
  /** Up to where the answer reaches. */
  readonly position: string
}

interface ReplayRow {
  readonly channel: string
  readonly newest: string
  readonly isComplete: boolean
  readonly events: readonly (Omit<ReplayedEvent, 'createdAt'> & { readonly createdAt: string })[]
}

/** An event is in one of three partial indexes, each of which is in the order that is asked for but for requeued events. */
const eventsWhere = (condition: string): string => `(
      select id, coalesce(position, id) as position, event, data, created_at from ${OUTBOX_TABLE}
      where channel = wanted.channel and ${condition}
      order by 2 limit $3 + 1
    )`

const newestWhere = (column: string, condition: string): string =>
  `(select max(${column}) from ${OUTBOX_TABLE} where channel = wanted.channel and ${condition})`

/**
 * One statement, and so one snapshot. Within a channel ids are taken in the order of the commits (see `append`), so
 * what it does not see of a channel comes after everything that it sees.
 */
const REPLAY = `
select wanted.channel,
  greatest(
    ${newestWhere('id', 'dead_at is null and delivered_at is null')},
    ${newestWhere('id', 'delivered_at is not null')},
    ${newestWhere('id', 'dead_at is not null')},
    ${newestWhere('position', 'position is not null')},
    wanted.after, 0
  )::text as newest,
  not exists (
    select from ${OUTBOX_TABLE}
    where channel = wanted.channel and is_horizon and coalesce(position, id) > wanted.after
  ) and not exists (
    select from ${OUTBOX_TABLE} where channel = wanted.channel and dead_at is not null and id > wanted.after
  ) as "isComplete",
  page.events
from unnest($1::text[], $2::bigint[]) as wanted(channel, after)
cross join lateral (
  select coalesce(json_agg(json_build_object(
    'id', id::text, 'position', position::text, 'event', event, 'data', data, 'createdAt', created_at
  ) order by position), '[]') as events
  from (
    ${eventsWhere('dead_at is null and delivered_at is null and position is null and id > wanted.after')}
    union all
    ${eventsWhere('delivered_at is not null and not is_horizon and position is null and id > wanted.after')}
    union all
    ${eventsWhere('position is not null and dead_at is null and not is_horizon and position > wanted.after')}
    order by position limit $3 + 1
  ) as found
) as page`

/**
 * The newest of what is removed stays without its data: whoever saw less than that has missed something.
 */
const PURGE = `
with old as (
  select id, is_horizon, row_number() over (partition by channel order by coalesce(position, id) desc) as age
  from ${OUTBOX_TABLE} where delivered_at < clock_timestamp() - $1 * interval '1 millisecond'
),
horizons as (
  update ${OUTBOX_TABLE} set is_horizon = true, data = 'null'
  where id in (select id from old where age = 1 and not is_horizon)
)
delete from ${OUTBOX_TABLE} where id in (select id from old where age > 1) returning id`

/** What was told on a channel after a position: for subscribers that were away. */
export class OutboxReplay {
  readonly #query: RunStatement

  constructor(query: RunStatement) {
    this.#query = query
  }

  /** The answers to all questions, each with at most `limit` events. */
  async read(questions: readonly ReplayQuestion[], limit: number): Promise<readonly ChannelReplay[]> {
    const channels = questions.map(({ channel }) => channel)
    const rows = await this.#query(REPLAY, [channels, questions.map(({ after }) => after), limit])
    return (rows as readonly ReplayRow[]).map(({ channel, newest, isComplete, events: found }) => {
      const hasMore = found.length > limit
      const events = found.slice(0, limit).map(({ createdAt, ...event }) => ({
        ...event,
        createdAt: new Date(createdAt),
      }))
      const position = hasMore ? (events.at(-1)?.position ?? newest) : newest
      return { channel, events, hasMore, isComplete, position }
    })
  }

  /** Removes what was delivered longer ago than that, for good; answers how many rows went. */
  async purge(retentionMs: number): Promise<number> {
    return (await this.#query(PURGE, [retentionMs])).length
  }
}
