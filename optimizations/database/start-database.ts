import { MikroORM, PostgreSqlDriver, type Options } from '@mikro-orm/postgresql'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import type { Database } from './database.ts'
import { DatabaseError } from './errors.ts'
import { NotificationListener } from './notification-listener.ts'
import { StockDatabase } from './stock-database.ts'

export interface DatabaseOptions {
  /** postgresql://user:password@host:port/database */
  readonly url: string
  readonly entities: NonNullable<Options['entities']>
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string
  /** Handed to MikroORM as they are, for `orm.migrator`. */
  readonly migrations?: Options['migrations']
  readonly extensions?: Options['extensions']
  readonly pool?: PoolOptions
  /** `false`: stock MikroORM behind the same surface, the honest baseline. `true` by default. */
  readonly optimize?: boolean
}

export interface PoolOptions {
  /** Kept open. 20 by default. */
  readonly size?: number
  /** Opened above `size` when all are taken, closed when no longer needed. 30 by default. */
  readonly overflow?: number
  /** How long a borrower waits for a connection. 30,000 by default. */
  readonly acquireTimeoutMs?: number
}

export interface DatabaseDeps {
  readonly clock?: Clock
  readonly random?: Random
  readonly background?: BackgroundTasks
}

/** Rejects with `database_unreachable`, naming host and port and never the password, when nothing usable answers. */
export async function startDatabase(options: DatabaseOptions, deps: DatabaseDeps = {}): Promise<Database> {
  const clock = deps.clock ?? systemClock
  const random = deps.random ?? systemRandom
  const background = deps.background ?? new BackgroundTasks(() => undefined, clock)
  const size = options.pool?.size ?? 20
  const orm = await MikroORM.init({
    driver: PostgreSqlDriver,
    clientUrl: options.url,
    entities: options.entities,
    ...(options.migrations === undefined ? {} : { migrations: options.migrations }),
    ...(options.extensions === undefined ? {} : { extensions: options.extensions }),
    ensureDatabase: false,
    pool: { min: size, max: size + (options.pool?.overflow ?? 30), idleTimeoutMillis: 5_000 },
    driverOptions: {
      application_name: options.applicationName ?? 'hotpath',
      connectionTimeoutMillis: options.pool?.acquireTimeoutMs ?? 30_000,
    },
  })
  const listener = new NotificationListener({ clock, random, background }, { connectionString: options.url })
  const database = new StockDatabase({ clock, random, background, orm, listener })
  try {
    await database.query('select 1')
    await listener.start()
  } catch (error) {
    await database.stop()
    throw unreachable(options.url, error)
  }
  return database
}

function unreachable(url: string, cause: unknown): DatabaseError {
  const { hostname, port, pathname } = new URL(url)
  const details = { host: hostname, port: Number(port || 5432), database: decodeURIComponent(pathname.slice(1)) }
  return new DatabaseError(
    'database_unreachable',
    `PostgreSQL at ${details.host}:${details.port} cannot be used: ${describeError(cause)}`,
    { retryable: true, details, cause },
  )
}
