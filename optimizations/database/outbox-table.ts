/** Where the transactional outbox keeps its events. */
export const OUTBOX_TABLE = 'hotpath_outbox'

/** The NOTIFY channel that says: new events may be there. */
export const OUTBOX_WAKE_CHANNEL = 'hotpath_outbox'

/**
 * The outbox, for the application's migration to run, as often as it likes: a table of before is brought up to it.
 * `data` is json and not jsonb: it is stored as it was written, never searched. One column, `available_at`, serves as
 * lease and as delay: an event is claimable once it has passed. What was delivered stays for a while, for pages that
 * were away; of what was removed then, the newest event of each channel stays without its data (`is_horizon`), so that
 * it is known from where on there is nothing any more. `position` is the place in the order of the channel where a dead
 * letter came back; of everything else the id is.
 */
export const outboxTableSql = `
create table if not exists ${OUTBOX_TABLE} (
  id bigint generated always as identity primary key,
  channel text not null,
  event text not null,
  data json not null,
  socket_id text,
  attempts integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  available_at timestamptz not null default '-infinity',
  claimed_by uuid,
  dead_at timestamptz,
  reason text
);
alter table ${OUTBOX_TABLE} add column if not exists delivered_at timestamptz;
alter table ${OUTBOX_TABLE} add column if not exists position bigint;
alter table ${OUTBOX_TABLE} add column if not exists is_horizon boolean not null default false;
drop index if exists ${OUTBOX_TABLE}_waiting;
create index if not exists ${OUTBOX_TABLE}_pending on ${OUTBOX_TABLE} (channel, id) where dead_at is null and delivered_at is null;
create index if not exists ${OUTBOX_TABLE}_delivered on ${OUTBOX_TABLE} (channel, id) where delivered_at is not null;
create index if not exists ${OUTBOX_TABLE}_requeued on ${OUTBOX_TABLE} (channel, position) where position is not null;
create index if not exists ${OUTBOX_TABLE}_horizon on ${OUTBOX_TABLE} (channel) where is_horizon;
drop index if exists ${OUTBOX_TABLE}_dead;
create index if not exists ${OUTBOX_TABLE}_set_aside on ${OUTBOX_TABLE} (channel, id) where dead_at is not null;
`

export const dropOutboxTableSql = `drop table if exists ${OUTBOX_TABLE};`

/** Back to the table that had no memory of what was delivered. */
export const dropOutboxReplaySql = `
delete from ${OUTBOX_TABLE} where delivered_at is not null;
alter table ${OUTBOX_TABLE} drop column delivered_at, drop column position, drop column is_horizon;
drop index if exists ${OUTBOX_TABLE}_set_aside;
create index if not exists ${OUTBOX_TABLE}_waiting on ${OUTBOX_TABLE} (channel, id) where dead_at is null;
create index if not exists ${OUTBOX_TABLE}_dead on ${OUTBOX_TABLE} (dead_at) where dead_at is not null;
`
