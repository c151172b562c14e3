/** Where the transactional outbox keeps its events. */
export const OUTBOX_TABLE = 'hotpath_outbox'

/** The NOTIFY channel that says: new events may be there. */
export const OUTBOX_WAKE_CHANNEL = 'hotpath_outbox'

/**
 * The outbox, for the application's migration to run. `data` is json and not jsonb: it is stored as it was written,
 * never searched. One column, `available_at`, serves as lease and as delay: an event is claimable once it has passed.
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
create index if not exists ${OUTBOX_TABLE}_waiting on ${OUTBOX_TABLE} (channel, id) where dead_at is null;
create index if not exists ${OUTBOX_TABLE}_dead on ${OUTBOX_TABLE} (dead_at) where dead_at is not null;
`

export const dropOutboxTableSql = `drop table if exists ${OUTBOX_TABLE};`
