import { createHash } from 'node:crypto'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { CacheReads, Row } from '../database.ts'
import type { Answer } from '../pool/wire-query.ts'
import type { QueryStatistics } from '../statistics/query-statistics.ts'
import type { StatementCall } from '../statements/statement-call.ts'
import type { MemoryResults } from './memory-results.ts'
import type { ResultCache } from './result-cache.ts'
import type { SchemaCatalog } from './schema-catalog.ts'
import type { TableVersions } from './table-versions.ts'
import type { WriteEffect } from './write-effect.ts'

export interface QueryResultsDeps {
  readonly clock: Clock
  readonly background: BackgroundTasks
  readonly catalog: SchemaCatalog
  readonly versions: TableVersions
  readonly memory: MemoryResults
  readonly statistics: QueryStatistics
  /** Keeps the rows in place of the memory; null for the memory. */
  readonly store: ResultCache | null
  /** Columns that must never be kept, by table. */
  readonly secrets: ReadonlyMap<string, ReadonlySet<string>>
}

/** What is kept of an answer. */
interface KeptRows {
  readonly command: string
  readonly rowCount: number | null
  readonly rows: readonly Row[]
  /** Whether every value is a primitive, so that a shallow copy of a row shares nothing. */
  readonly isFlat: boolean
  /** Whether it may be kept at all. */
  readonly isKeepable: boolean
}

const MOST_ROWS = 10_000
const LONGEST_TTL_MS = 900_000
const SHORTEST_TTL_MS = 1_000
/** A cheap query is kept for a minute, one that costs 15 ms or more for a quarter of an hour. */
const TTL_PER_MS_OF_COST = 60_000
/** The tag of every entry, for writes that cannot be told apart. */
const EVERYTHING_TAG = 'table:*'
const SAMPLE_ROWS = 20

const tagOf = (table: string): string => `table:${table}`

/** Answers reads from rows that were read before, as long as these are what the database would answer now. */
export class QueryResults {
  readonly #deps: QueryResultsDeps
  /** Tables whose invalidation the store has not confirmed yet, with how many are under way. */
  readonly #unconfirmed = new Map<string, number>()

  constructor(deps: QueryResultsDeps) {
    this.#deps = deps
  }

  async read(call: StatementCall, wanted: CacheReads, run: () => Promise<Answer>): Promise<Answer> {
    const tables = this.#cacheableTables(call, wanted)
    if (tables === null) return await run()
    const { store, memory, statistics } = this.#deps
    const { fingerprint } = call.analysis
    const ttlMs = this.#ttlMs(fingerprint, tables, wanted)
    const key = keyOf(call)
    let isHit = true
    const load = async (): Promise<KeptRows> => {
      isHit = false
      statistics.missed()
      const answer = await run()
      const { command, rowCount, rows } = answer
      return { command, rowCount, rows, isFlat: rows.every(isFlatRow), isKeepable: this.#mayKeep(answer, tables) }
    }
    const isConfirmed = ![...tables, EVERYTHING_TAG].some((table) => this.#unconfirmed.has(table))
    const isStored = store !== null && memory.isTrusted && isConfirmed
    const kept = isStored
      ? await this.#readStored(store, { key, tables, ttlMs }, load)
      : await memory.getOrLoad(
          key,
          tables,
          async () => {
            const value = await load()
            return { value, bytes: bytesOf(key, value), tables: value.isKeepable ? tables : null, ttlMs }
          },
          () => undefined,
        )
    if (isHit) statistics.hit(fingerprint)
    const rows = kept.rows.map((row) => (kept.isFlat ? { ...row } : (cloneValue(row) as Row)))
    return { command: kept.command, rowCount: kept.rowCount, rows, fields: [] }
  }

  /** Tells the store; until it has confirmed, nothing of these tables is asked of it. */
  written(effect: WriteEffect): void {
    const { store, background } = this.#deps
    if (store === null) return
    const tables = effect === 'everything' ? [EVERYTHING_TAG] : [...effect]
    for (const table of tables) this.#unconfirmed.set(table, (this.#unconfirmed.get(table) ?? 0) + 1)
    background.run('database.results', async () => {
      await store.invalidateTags(tables.map((table) => (table === EVERYTHING_TAG ? table : tagOf(table))))
      for (const table of tables) {
        const left = (this.#unconfirmed.get(table) ?? 1) - 1
        if (left === 0) this.#unconfirmed.delete(table)
        else this.#unconfirmed.set(table, left)
      }
    })
  }

  async #readStored(
    store: ResultCache,
    entry: { readonly key: string; readonly tables: ReadonlySet<string>; readonly ttlMs: number },
    load: () => Promise<KeptRows>,
  ): Promise<KeptRows> {
    const tags = [EVERYTHING_TAG, ...[...entry.tables].map(tagOf)]
    const key = createHash('sha256').update(entry.key).digest('base64url')
    const loadOrNot = async (context: { doNotKeep(): void }): Promise<KeptRows> => {
      const value = await load()
      if (!value.isKeepable) context.doNotKeep()
      return value
    }
    return await store.getOrSet(key, loadOrNot, { ttlMs: entry.ttlMs, tags })
  }

  #cacheableTables({ analysis }: StatementCall, wanted: CacheReads): ReadonlySet<string> | null {
    if (wanted === false) return null
    const { catalog, secrets } = this.#deps
    const tables = catalog.tablesRead(analysis)
    if (tables === null || (wanted === true && catalog.dependsOnTime(analysis))) return null
    for (const table of tables) {
      const hidden = secrets.get(table)
      if (hidden !== undefined && analysis.names.some((name) => hidden.has(name))) return null
    }
    return tables
  }

  /**
   * The names of the text do not show what `select *` brings: the columns of the answer do. They also show a table
   * that somebody else made since the catalog was loaded, whose writes would not be connected with this text.
   */
  #mayKeep({ rows, fields }: Answer, tables: ReadonlySet<string>): boolean {
    if (rows.length > MOST_ROWS || !this.#deps.catalog.knows(fields.map(({ tableID }) => tableID))) return false
    const columns = Object.keys(rows[0] ?? {})
    for (const table of tables) {
      const hidden = this.#deps.secrets.get(table)
      if (hidden !== undefined && columns.some((column) => hidden.has(column))) return false
    }
    return true
  }

  /** Exactness comes from the writes; the time bounds what foreign writers can do, and it is not worth keeping longer. */
  #ttlMs(fingerprint: string, tables: ReadonlySet<string>, wanted: CacheReads): number {
    if (typeof wanted === 'object') return wanted.ttlMs
    const { statistics, versions } = this.#deps
    const costMs = Math.max(1, statistics.recentMs(fingerprint))
    const writesPerSecond = versions.writeRate(tables)
    if (writesPerSecond * costMs > 1_000) return 0
    const ttlMs = (costMs * TTL_PER_MS_OF_COST) / (1 + 60 * writesPerSecond)
    return Math.min(LONGEST_TTL_MS, Math.max(SHORTEST_TTL_MS, ttlMs))
  }
}

/** Exact: text, parameters with their types, and whose they are; the same in whichever form it is sent. */
function keyOf({ statement, identity, context }: StatementCall): string {
  const { text } = identity ?? statement
  const { signature, values } = identity?.bound ?? { signature: '', values: statement.parameters?.values ?? [] }
  return `${context?.scope ?? ''}\n${text}\n${signature}${JSON.stringify(values)}`
}

function isFlatRow(row: Row): boolean {
  return Object.values(row).every((value) => value === null || typeof value !== 'object')
}

function bytesOf(key: string, { rows }: KeptRows): number {
  const sample = rows.slice(0, SAMPLE_ROWS)
  const bytes = Buffer.byteLength(
    JSON.stringify(sample, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value)),
  )
  return key.length + (sample.length === 0 ? 0 : (bytes * rows.length) / sample.length)
}

/** Structured clone would make plain bytes of a Buffer. */
function cloneValue(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(cloneValue)
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (value instanceof Date) return new Date(value)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cloneValue(inner)]))
}
