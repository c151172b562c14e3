import type { Database, EntityManager } from '../database.ts'
import { analyzeSql } from '../statements/sql-analysis.ts'
import { genericPlan } from './generic-plan.ts'
import { scannedByColumns, type PlanNode } from './plan-nodes.ts'

export interface IndexAdvice {
  readonly table: string
  readonly columns: readonly string[]
  readonly sql: string
  /** The statement that would be served, without its literals. */
  readonly fingerprint: string
  /** In PostgreSQL's units of cost, by its own estimate. */
  readonly costBefore: number
  readonly costAfter: number
}

export interface IndexAdviceOptions {
  /** Statements with `$1`, `$2`, …; by default the costliest ones of pg_stat_statements. */
  readonly statements?: readonly string[]
  /** Smaller tables are read faster without an index. 1,000 by default. */
  readonly minRows?: number
  /** The cost with the index must be at most this part of the cost without. 0.5 by default. */
  readonly worthwhile?: number
}

const COSTLIEST = `
select query from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database()) and query ~* '^\\s*(select|update|delete|with)'
order by total_exec_time desc limit 100`

const INDEXED = `
select array_agg(a.attname order by k.n) as columns
from pg_index i cross join lateral unnest(i.indkey) with ordinality as k(attnum, n)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = to_regclass($1) and i.indisvalid and i.indpred is null group by i.indexrelid`

/**
 * Looks for sequential scans in the plans of real statements, and for each proposes an index and proves it: the index
 * is built in a transaction, the statement is planned again, and everything is rolled back. Building holds off writers
 * of the table meanwhile, so this is for an operator and a quiet hour, never for a request.
 */
export async function adviseIndexes(
  database: Pick<Database, 'query' | 'transaction'>,
  options: IndexAdviceOptions = {},
): Promise<readonly IndexAdvice[]> {
  const { minRows = 1_000, worthwhile = 0.5 } = options
  const advice = new Map<string, IndexAdvice>()
  for (const statement of options.statements ?? (await costliest(database))) {
    const before = await planOf(database, statement).catch(() => null)
    if (before === null) continue
    for (const { table, columns } of scannedByColumns(before)) {
      const key = `${table} (${columns.join(', ')})`
      if (advice.has(key) || !(await isCandidate(database, { table, columns, minRows }))) continue
      const sql = `create index on ${quote(table)} (${columns.map(quote).join(', ')})`
      const after = await planOf(database, statement, sql).catch(() => before)
      const { 'Total Cost': costBefore } = before
      const { 'Total Cost': costAfter } = after
      if (costAfter > costBefore * worthwhile) continue
      const { fingerprint } = analyzeSql(statement)
      advice.set(key, { table, columns, sql, fingerprint, costBefore, costAfter })
    }
  }
  return [...advice.values()].sort((one, other) => gain(other) - gain(one))
}

const gain = ({ costBefore, costAfter }: IndexAdvice): number => costBefore - costAfter
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

async function costliest(database: Pick<Database, 'query'>): Promise<string[]> {
  const [installed] = await database.query("select 1 from pg_extension where extname = 'pg_stat_statements'")
  if (installed === undefined) return []
  return (await database.query<{ query: string }>(COSTLIEST)).map(({ query }) => query)
}

async function isCandidate(
  database: Pick<Database, 'query'>,
  { table, columns, minRows }: { table: string; columns: readonly string[]; minRows: number },
): Promise<boolean> {
  const [size] = await database.query<{ rows: number }>(
    'select reltuples::float8 as rows from pg_class where oid = to_regclass($1)',
    [quote(table)],
  )
  if ((size?.rows ?? 0) < minRows) return false
  const indexes = await database.query<{ columns: string[] | string }>(INDEXED, [quote(table)])
  const existing = indexes.map((index) =>
    String(index.columns)
      .replace(/^\{|\}$/g, '')
      .split(','),
  )
  return !existing.some((indexed) => columns.every((column, at) => indexed[at] === column))
}

/** The plan as it is, or with an index that is there for nobody else and gone at once. */
async function planOf(database: Pick<Database, 'transaction'>, statement: string, index?: string): Promise<PlanNode> {
  const undo = new Error('undo')
  let plan: PlanNode | undefined
  const tried = database.transaction(async (em: EntityManager) => {
    const ask = (sql: string): Promise<object[]> => em.execute<object[]>(sql)
    await ask("set local lock_timeout = '1s'")
    if (index !== undefined) await ask(index)
    plan = await genericPlan(ask, statement, analyzeSql(statement).parameters)
    throw undo
  })
  await tried.catch((error: unknown) => {
    if (error !== undo) throw error
  })
  return plan as PlanNode
}
