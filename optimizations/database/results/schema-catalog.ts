import type { SqlAnalysis } from '../statements/sql-analysis.ts'
import { NO_EFFECT, type WriteEffect } from './write-effect.ts'

export type LoadRows = (sql: string) => Promise<readonly object[]>

/** Names without schema: two tables of one name in two schemas are taken for one, which only invalidates more. */
const RELATIONS = `
select c.relname as name, c.oid::int as oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`

/** What a write to \`source\` changes besides: rows by cascading keys, and the same rows seen through inheritance. */
const EFFECTS = `
select source.relname as source, target.relname as target
from pg_constraint k join pg_class source on source.oid = k.confrelid join pg_class target on target.oid = k.conrelid
where k.contype = 'f' and (k.confdeltype in ('c', 'n', 'd') or k.confupdtype in ('c', 'n', 'd'))
union
select child.relname, parent.relname
from pg_inherits i join pg_class child on child.oid = i.inhrelid join pg_class parent on parent.oid = i.inhparent
union
select parent.relname, child.relname
from pg_inherits i join pg_class child on child.oid = i.inhrelid join pg_class parent on parent.oid = i.inhparent
union
select base.relname, view.relname
from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class view on view.oid = r.ev_class
join pg_class base on base.oid = d.refobjid
where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and base.oid <> view.oid
union
select view.relname, base.relname
from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class view on view.oid = r.ev_class
join pg_class base on base.oid = d.refobjid
where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and base.oid <> view.oid
  and view.relkind = 'v'`

/** A trigger or a rule may write anywhere. */
const UNPREDICTABLE = `
select c.relname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal
union
select c.relname from pg_rewrite r join pg_class c on c.oid = r.ev_class where c.relkind in ('r', 'p')`

/** Functions whose answer is another at each call, and functions of the application, which may read or write tables. */
const FUNCTIONS = `
select p.proname as name, bool_or(p.provolatile = 'v') as volatile,
  bool_or(n.nspname not in ('pg_catalog', 'information_schema') and e.objid is null) as own
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
left join pg_depend e on e.objid = p.oid and e.classid = 'pg_proc'::regclass and e.deptype = 'e'
where p.provolatile = 'v' or (n.nspname not in ('pg_catalog', 'information_schema') and e.objid is null)
group by p.proname`

/** They answer by the session and not by rows. */
const SESSION_FUNCTIONS = new Set(['current_setting', 'pg_is_in_recovery', 'txid_current_snapshot'])
/** They answer by the clock, alone or as a function. */
const TIME_WORDS = new Set(['current_timestamp', 'current_date', 'current_time', 'localtime', 'localtimestamp'])
const TIME_FUNCTIONS = new Set(['now', 'age', 'statement_timestamp', 'transaction_timestamp', 'to_timestamp'])

/** What the database says of its tables and functions, so that texts can be judged by the names in them. */
export class SchemaCatalog {
  #oids = new Set<number>()
  #relations = new Set<string>()
  #effects = new Map<string, Set<string>>()
  #unpredictable = new Set<string>()
  #volatile = new Set<string>()
  #own = new Set<string>()
  #isLoaded = false
  #reads = new WeakMap<SqlAnalysis, ReadonlySet<string> | null>()
  #writes = new WeakMap<SqlAnalysis, WriteEffect>()

  get isLoaded(): boolean {
    return this.#isLoaded
  }

  async load(query: LoadRows): Promise<void> {
    const relations = (await query(RELATIONS)) as readonly { name: string; oid: number }[]
    const effects = (await query(EFFECTS)) as readonly { source: string; target: string }[]
    const unpredictable = (await query(UNPREDICTABLE)) as readonly { name: string }[]
    const functions = (await query(FUNCTIONS)) as readonly { name: string; volatile: boolean; own: boolean }[]
    this.#relations = new Set(relations.map(({ name }) => name))
    this.#oids = new Set(relations.map(({ oid }) => oid))
    this.#effects = new Map()
    for (const { source, target } of effects) this.#addEffect(source, target)
    this.#unpredictable = new Set(unpredictable.map(({ name }) => name))
    this.#volatile = new Set(functions.filter((one) => one.volatile).map(({ name }) => name))
    this.#own = new Set(functions.filter((one) => one.own).map(({ name }) => name))
    this.#reads = new WeakMap()
    this.#writes = new WeakMap()
    this.#isLoaded = true
  }

  /** Everything is unknown again until the next load. */
  forget(): void {
    this.#isLoaded = false
    this.#reads = new WeakMap()
    this.#writes = new WeakMap()
  }

  /** The tables that a read depends on; null when its rows depend on anything else as well. */
  tablesRead(analysis: SqlAnalysis): ReadonlySet<string> | null {
    const known = this.#reads.get(analysis)
    if (known !== undefined) return known
    const tables = this.#judgeRead(analysis)
    this.#reads.set(analysis, tables)
    return tables
  }

  /** Whether the same rows give another answer later: fit to be kept only for a time that somebody chose. */
  dependsOnTime({ names, functions }: SqlAnalysis): boolean {
    return names.some((name) => TIME_WORDS.has(name)) || functions.some((name) => TIME_FUNCTIONS.has(name))
  }

  tablesWritten(analysis: SqlAnalysis): WriteEffect {
    if (analysis.kind === 'transaction' || analysis.kind === 'session') return NO_EFFECT
    const known = this.#writes.get(analysis)
    if (known !== undefined) return known
    const effect = this.#judgeWrite(analysis)
    this.#writes.set(analysis, effect)
    return effect
  }

  /** Whether every column comes from a relation that was there when the catalog was loaded. */
  knows(tableOids: Iterable<number>): boolean {
    for (const oid of tableOids) if (oid !== 0 && !this.#oids.has(oid)) return false
    return true
  }

  #judgeRead({ kind, locksRows, names, functions }: SqlAnalysis): ReadonlySet<string> | null {
    if (!this.#isLoaded || kind !== 'read' || locksRows) return null
    const isUnfit = (name: string): boolean =>
      this.#volatile.has(name) || this.#own.has(name) || SESSION_FUNCTIONS.has(name)
    if (functions.some(isUnfit)) return null
    const tables = new Set(names.filter((name) => this.#relations.has(name)))
    return tables.size === 0 ? null : tables
  }

  #judgeWrite({ kind, targets, functions }: SqlAnalysis): WriteEffect {
    // Between two loads the functions of the earlier one still count: they have not stopped writing.
    const callsOwn = functions.some((name) => this.#own.has(name))
    if (targets === null || callsOwn || (!this.#isLoaded && kind !== 'read')) return 'everything'
    if (targets.length === 0) return NO_EFFECT
    const reached = new Set<string>()
    for (const table of targets) this.#reach(table, reached)
    for (const table of reached) {
      if (!this.#relations.has(table) || this.#unpredictable.has(table)) return 'everything'
    }
    return reached
  }

  #reach(table: string, reached: Set<string>): void {
    if (reached.has(table)) return
    reached.add(table)
    for (const next of this.#effects.get(table) ?? []) this.#reach(next, reached)
  }

  #addEffect(source: string, target: string): void {
    const targets = this.#effects.get(source) ?? new Set()
    this.#effects.set(source, targets.add(target))
  }
}
