import type { MikroORM as Orm } from '@mikro-orm/core'
import { MikroORM, PostgreSqlDriver, type Options } from '@mikro-orm/postgresql'
import type { ClientConfig } from 'pg'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { describeError, type AppError } from '#optimizations/kernel/errors.ts'
import { systemRandom, type Random } from '#optimizations/kernel/random.ts'
import type { DatabaseEvents } from './database-events.ts'
import type { Database } from './database.ts'
import { Engine } from './engine.ts'
import { resolveEngineOptions, type EngineOptions, type EngineOverrides } from './engine-options.ts'
import { DatabaseError } from './errors.ts'
import { NotificationListener } from './notification-listener.ts'
import { OptimizedDatabase } from './optimized-database.ts'
import type { HotpathConnection } from './orm/hotpath-connection.ts'
import { hotpathDriver } from './orm/hotpath-driver.ts'
import { parseOrmOptions, type OrmOptions } from './orm/orm-options.ts'
import { HotpathEntityManager } from './orm/hotpath-entity-manager.ts'
import type { ResultCache } from './results/result-cache.ts'
import type { OutboxRetention } from './outbox-store.ts'
import { StockDatabase } from './stock-database.ts'

export interface DatabaseOptions extends EngineOverrides {
  /** postgresql://user:password@host:port/database */
  readonly url: string
  readonly entities: NonNullable<Options['entities']>
  /** What else MikroORM takes, handed to it as it is: metadataProvider, namingStrategy, filters, extensions, … */
  readonly orm?: OrmOptions
  /** `false`: stock MikroORM behind the same surface, the honest baseline. `true` by default. */
  readonly optimize?: boolean
  /** How long dead letters of the outbox are kept. 7 days by default. */
  readonly deadLetterRetentionMs?: number
  /** How long events that were delivered stay in the outbox, for subscribers that were away. 10 minutes by default. */
  readonly replayRetentionMs?: number
  /** How long `stop` waits for what is running. 10,000 by default. */
  readonly drainMs?: number
}

export interface DatabaseDeps {
  readonly clock?: Clock
  readonly random?: Random
  readonly background?: BackgroundTasks
  readonly events?: DatabaseEvents
  /** Keeps cached rows in place of this process's memory. */
  readonly resultCache?: ResultCache
}

const DRAIN_MS = 10_000
const DEAD_LETTER_RETENTION_MS = 7 * 86_400_000
/** Two minutes offline, a half-open connection that is noticed after two and a half, and room. */
const REPLAY_RETENTION_MS = 600_000

type Common = Required<Pick<DatabaseDeps, 'clock' | 'random' | 'background' | 'events'>>

const retentionOf = (options: DatabaseOptions): OutboxRetention => ({
  deadLettersMs: options.deadLetterRetentionMs ?? DEAD_LETTER_RETENTION_MS,
  deliveredMs: options.replayRetentionMs ?? REPLAY_RETENTION_MS,
})

/** Rejects with `database_unreachable`, naming host and port and never the password, when nothing usable answers. */
export async function startDatabase(options: DatabaseOptions, deps: DatabaseDeps = {}): Promise<Database> {
  const clock = deps.clock ?? systemClock
  const events = deps.events ?? {}
  const report = (reason: string, error: unknown): void => events.backgroundError?.(reason, error)
  const background = deps.background ?? new BackgroundTasks(report, clock)
  const common: Common = { clock, random: deps.random ?? systemRandom, background, events }
  const engine = resolveEngineOptions(options)
  return options.optimize === false
    ? await startStock(common, options, engine)
    : await startOptimized(common, options, engine, deps.resultCache ?? null)
}

async function startOptimized(
  common: Common,
  options: DatabaseOptions,
  engineOptions: EngineOptions,
  resultCache: ResultCache | null,
): Promise<Database> {
  // The ORM makes its connection while it starts, from parts that need the started ORM: hence the late binding.
  const late: { engine?: Engine } = {}
  const driver = hotpathDriver(() => late.engine as Engine)
  const orm = await MikroORM.init({
    ...ormOptions(options),
    driver,
    entityManager: HotpathEntityManager,
  })
  const listener = createListener(common, options)
  const { types } = (orm.em.getConnection() as HotpathConnection).mapOptions({})
  const platform = orm.em.getPlatform()
  const client: ClientConfig = {
    connectionString: options.url,
    application_name: engineOptions.applicationName,
    keepAlive: true,
    ...(types === undefined ? {} : { types }),
  }
  const formatDate = (date: Date): string => Reflect.apply(Reflect.get(platform, 'formatDate'), platform, [date])
  const engine = new Engine(
    { ...common, client, formatDate, listener, resultCache, secrets: hiddenColumns(orm) },
    engineOptions,
  )
  late.engine = engine
  const { drainMs = DRAIN_MS } = options
  const database = new OptimizedDatabase({ ...common, orm, engine, listener, retention: retentionOf(options), drainMs })
  try {
    await engine.sources.start()
    await listener.start()
    await engine.loadCatalog()
  } catch (error) {
    await database.stop()
    throw unreachable(options.url, error)
  }
  return database
}

async function startStock(common: Common, options: DatabaseOptions, engine: EngineOptions): Promise<Database> {
  const { size, overflow, lingerMs, acquireTimeoutMs } = engine.pool
  const orm = await MikroORM.init({
    ...ormOptions(options),
    driver: PostgreSqlDriver,
    pool: { min: size, max: size + overflow, idleTimeoutMillis: lingerMs },
    driverOptions: {
      application_name: engine.applicationName,
      connectionTimeoutMillis: acquireTimeoutMs,
      statement_timeout: engine.statementTimeoutMs,
    },
  })
  const listener = createListener(common, options)
  const database = new StockDatabase({ ...common, orm, listener, retention: retentionOf(options) })
  try {
    await database.query('select 1')
    await listener.start()
  } catch (error) {
    await database.stop()
    throw unreachable(options.url, error)
  }
  return database
}

function ormOptions({ url, entities, orm = {} }: DatabaseOptions) {
  return { ...parseOrmOptions(orm), clientUrl: url, entities, ensureDatabase: false }
}

function createListener(common: Common, { url, applicationName }: DatabaseOptions): NotificationListener {
  const application_name = `${applicationName ?? 'hotpath'} listener`
  return new NotificationListener(common, { connectionString: url, application_name, keepAlive: true })
}

/** The columns that the entities hide, by table: they are never kept outside of the database. */
function hiddenColumns(orm: Orm<PostgreSqlDriver>): ReadonlyMap<string, ReadonlySet<string>> {
  const hidden = new Map<string, ReadonlySet<string>>()
  for (const meta of orm.getMetadata().getAll().values()) {
    const columns = meta.props.filter((prop) => prop.hidden === true).flatMap((prop) => prop.fieldNames ?? [])
    if (columns.length > 0) hidden.set(meta.tableName, new Set(columns))
  }
  return hidden
}

function unreachable(url: string, cause: unknown): AppError {
  const { hostname, port, pathname } = new URL(url)
  const details = { host: hostname, port: Number(port || 5432), database: decodeURIComponent(pathname.slice(1)) }
  return new DatabaseError(
    'database_unreachable',
    `PostgreSQL at ${details.host}:${details.port} cannot be used: ${describeError(cause)}`,
    { retryable: true, details, cause },
  )
}
