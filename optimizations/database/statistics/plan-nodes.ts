/** The parts of EXPLAIN (FORMAT JSON) that are read here; the names are PostgreSQL's. */
export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Alias?: string
  readonly Filter?: string
  readonly 'Index Cond'?: string
  readonly 'Recheck Cond'?: string
  readonly 'Hash Cond'?: string
  readonly 'Merge Cond'?: string
  readonly 'Join Filter'?: string
  readonly 'Total Cost': number
  readonly Plans?: readonly PlanNode[]
}

/** For reports: the texts that a statement compares with are other people's data. */
export function describePlan(plan: unknown): string {
  return JSON.stringify(plan, (_, value: unknown) =>
    typeof value === 'string' ? value.replaceAll(/'(?:[^']|'')*'/g, "'?'") : value,
  )
}

/** A column that is compared where an index could have been used. */
export interface ComparedColumns {
  readonly table: string
  /** Compared for equality, in the order of their appearance; and at most one compared otherwise, last. */
  readonly columns: readonly string[]
}

/** `(x = $1)`, `((x)::text = 'a'::text)`, `(b.x = a.y)`: a column, perhaps of an alias, and an operator. */
const COMPARISON = /\(?\(?(?:(\w+|"[^"]+")\.)?(\w+|"[^"]+")\)?(?:::[\w ]+)? (=|<|>|<=|>=) /g
const RIGHT_SIDE = /= (?:(\w+|"[^"]+")\.)?([a-z_]\w*|"[^"]+")\)/g
const SCANS = new Set(['Seq Scan', 'Index Scan', 'Index Only Scan', 'Bitmap Heap Scan'])
const unquote = (name: string): string => name.replaceAll('"', '')
const present = (conditions: readonly (string | undefined)[]): string[] =>
  conditions.filter((condition) => condition !== undefined)

/**
 * Every scan of the plan with the columns that its rows were chosen by: in the scan, where a column of this table stands
 * without the table's name, or else in the joins above. An index that was used may have been the wrong one.
 */
export function scannedByColumns(root: PlanNode): ComparedColumns[] {
  const found: ComparedColumns[] = []
  const visit = (node: PlanNode, joins: readonly string[]): void => {
    const own = present([node['Hash Cond'], node['Merge Cond'], node['Join Filter']])
    const table = node['Relation Name']
    if (SCANS.has(node['Node Type']) && table !== undefined) {
      const chosenBy = present([node['Index Cond'], node['Recheck Cond'], node.Filter])
      const columns = comparedIn(chosenBy, undefined)
      const chosen = columns.length > 0 ? columns : comparedIn(joins, node.Alias ?? table)
      if (chosen.length > 0) found.push({ table, columns: chosen })
    }
    for (const child of node.Plans ?? []) visit(child, [...own, ...joins])
  }
  visit(root, [])
  return found
}

/** With OR no single index serves, so such a condition says nothing. */
function comparedIn(conditions: readonly string[], alias: string | undefined): string[] {
  const equal = new Set<string>()
  const ranges = new Set<string>()
  const isOwn = (qualifier: string | undefined): boolean => (qualifier && unquote(qualifier)) === alias
  for (const condition of conditions.filter((one) => !one.includes(' OR '))) {
    for (const [, qualifier, name = '', operator] of `${condition} `.matchAll(COMPARISON)) {
      if (isOwn(qualifier)) (operator === '=' ? equal : ranges).add(unquote(name))
    }
    for (const [, qualifier, name = ''] of condition.matchAll(RIGHT_SIDE)) {
      if (isOwn(qualifier)) equal.add(unquote(name))
    }
  }
  const range = [...ranges].find((name) => !equal.has(name))
  return range === undefined ? [...equal] : [...equal, range]
}
