/** The parts of EXPLAIN (FORMAT JSON) that are read here; the names are PostgreSQL's. */
export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Alias?: string
  readonly Filter?: string
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

/** `(x = $1)`, `((x)::text = 'a'::text)`, `(b.x = a.y)`: a column, of an alias or of the only table, and an operator. */
const COMPARISON = /\(?\(?(?:(\w+|"[^"]+")\.)?(\w+|"[^"]+")\)?(?:::[\w ]+)? (=|<|>|<=|>=) /g
const unquote = (name: string): string => name.replaceAll('"', '')

/** Every sequential scan of the plan with the columns that its rows were chosen by, in the scan or in the join above. */
export function scannedByColumns(root: PlanNode): ComparedColumns[] {
  const found: ComparedColumns[] = []
  const visit = (node: PlanNode, joins: readonly string[]): void => {
    const own = [node['Hash Cond'], node['Merge Cond'], node['Join Filter']].filter((cond) => cond !== undefined)
    const table = node['Relation Name']
    if (node['Node Type'] === 'Seq Scan' && table !== undefined) {
      const columns = comparedIn(node.Filter, undefined)
      const chosen = columns.length > 0 ? columns : joins.flatMap((cond) => comparedIn(cond, node.Alias ?? table))
      if (chosen.length > 0) found.push({ table, columns: chosen })
    }
    for (const child of node.Plans ?? []) visit(child, [...own, ...joins])
  }
  visit(root, [])
  return found
}

/** With OR no single index serves, so nothing is answered. */
function comparedIn(condition: string | undefined, alias: string | undefined): string[] {
  if (condition === undefined || condition.includes(' OR ')) return []
  const equal = new Set<string>()
  const ranges = new Set<string>()
  for (const [, qualifier, name = '', operator] of `${condition} `.matchAll(COMPARISON)) {
    if (alias !== undefined && (qualifier === undefined || unquote(qualifier) !== alias)) continue
    if (operator === '=') equal.add(unquote(name))
    else ranges.add(unquote(name))
  }
  // The right side of a join's condition stands before no operator.
  if (alias !== undefined) {
    for (const [, column = ''] of condition.matchAll(new RegExp(`= ${alias}\\.(\\w+)`, 'g'))) equal.add(column)
  }
  const range = [...ranges].find((name) => !equal.has(name))
  return range === undefined ? [...equal] : [...equal, range]
}
