import { wrap, type EntityName, type EntityMetadata, type Primary } from '@mikro-orm/core'
import type { EntityManager, Row } from '../database.ts'
import { sqlStateOf } from '../errors.ts'
import { HotpathEntityManager } from '../orm/hotpath-entity-manager.ts'
import type { TableVersions } from '../results/table-versions.ts'
import { planFinder, type FinderPlan } from './finder-plan.ts'

export interface PrimaryKeyFinderDeps {
  readonly query: (sql: string, params: readonly unknown[]) => Promise<readonly Row[]>
  readonly versions: TableVersions
}

interface Batch {
  readonly keys: Map<string, PromiseWithResolvers<Row | null>>
}

interface Flight {
  readonly since: number
  readonly row: Promise<Row | null>
}

/** Reads the rows of one entity: all keys that are asked for in one turn by one query, the same key only once. */
class EntityRows {
  readonly plan: FinderPlan
  readonly #deps: PrimaryKeyFinderDeps
  readonly #tables: readonly string[]
  readonly #flights = new Map<string, Flight>()
  #batch: Batch | null = null

  constructor(deps: PrimaryKeyFinderDeps, plan: FinderPlan, table: string) {
    this.#deps = deps
    this.plan = plan
    this.#tables = [table]
  }

  /** A read under way is shared, unless the table was written to since it began. */
  read(key: string): Promise<Row | null> {
    const flight = this.#flights.get(key)
    if (flight !== undefined && this.#deps.versions.isCurrent(this.#tables, flight.since)) return flight.row
    const batch = this.#batch ?? this.#open()
    const asked = batch.keys.get(key) ?? Promise.withResolvers<Row | null>()
    batch.keys.set(key, asked)
    return asked.promise
  }

  /** Closed at the end of the turn, so that what arrived with one poll of the event loop goes together. */
  #open(): Batch {
    const batch: Batch = { keys: new Map() }
    this.#batch = batch
    setImmediate(() => {
      this.#batch = null
      void this.#send(batch)
    })
    return batch
  }

  async #send({ keys }: Batch): Promise<void> {
    const since = this.#deps.versions.now()
    for (const [key, { promise }] of keys) this.#flights.set(key, { since, row: promise })
    try {
      await this.#settle(keys)
    } catch (error) {
      // One key that the type refuses must not fail the others: each is asked for by itself.
      const isRefusal = sqlStateOf(error)?.startsWith('22') === true && keys.size > 1
      if (!isRefusal) for (const { reject } of keys.values()) reject(error)
      else await Promise.all([...keys].map(([key, asked]) => this.#settle(new Map([[key, asked]])).catch(asked.reject)))
    } finally {
      for (const [key, { promise }] of keys) if (this.#flights.get(key)?.row === promise) this.#flights.delete(key)
    }
  }

  async #settle(keys: Map<string, PromiseWithResolvers<Row | null>>): Promise<void> {
    const { sql, keyColumn } = this.plan
    const rows = await this.#deps.query(sql, [[...keys.keys()]])
    const found = new Map(rows.map((row) => [String(row[keyColumn]), row]))
    for (const [key, { resolve }] of keys) resolve(found.get(key) ?? null)
  }
}

/** Finds entities by primary key past the ORM's query builder, whose work is most of what such a read costs. */
export class PrimaryKeyFinder {
  readonly #deps: PrimaryKeyFinderDeps
  readonly #entities = new Map<unknown, EntityRows | null>()

  constructor(deps: PrimaryKeyFinderDeps) {
    this.#deps = deps
  }

  async find<E extends object>(em: EntityManager, entity: EntityName<E>, key: Primary<E>): Promise<E | null> {
    const rows = this.#rowsOf(em, entity)
    const isPlain = !em.isInTransaction() && em.schema === undefined && !hasAddedFilters(em)
    const text = rows !== null && isPlain ? rows.plan.normalize(key) : null
    if (rows === null || text === null) return await em.findOne<E>(entity, key as never)
    const managed = em.getUnitOfWork().getById<E>(entity, key)
    if (managed !== undefined && wrap(managed).isInitialized()) return managed
    const row = await rows.read(text)
    return row === null ? null : em.map<E>(entity, { ...row } as never)
  }

  #rowsOf<E extends object>(em: EntityManager, entity: EntityName<E>): EntityRows | null {
    const known = this.#entities.get(entity)
    if (known !== undefined) return known
    const meta: EntityMetadata = em.getMetadata().get(entity) as never
    const hasFilters = Object.keys(em.config.get('filters')).length > 0
    const plan = hasFilters ? null : planFinder(meta, em.getPlatform(), em.config.get('schema'))
    const rows = plan === null ? null : new EntityRows(this.#deps, plan, meta.tableName)
    this.#entities.set(entity, rows)
    return rows
  }
}

function hasAddedFilters(em: EntityManager): boolean {
  const context = em.getContext(false)
  return context instanceof HotpathEntityManager && context.hasAddedFilters
}
