import { randomUUID } from 'node:crypto'
import type { PlanNode } from './plan-nodes.ts'

/** Runs one statement, always on the same connection and inside a transaction. */
export type AskInTransaction = (sql: string) => Promise<readonly object[]>

interface ExplainRow {
  readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[]
}

/**
 * The plan that PostgreSQL would use whatever the parameters are, without running anything. EXPLAIN (GENERIC_PLAN) came
 * with version 16; a prepared statement is explained by all versions, and its parameters may then be null. A statement
 * that cannot be prepared rejects, and with it goes the transaction.
 */
export async function genericPlan(ask: AskInTransaction, text: string, parameters: number): Promise<PlanNode> {
  const name = `"explain ${randomUUID()}"`
  const nulls = parameters === 0 ? '' : `(${Array.from({ length: parameters }, () => 'null').join(', ')})`
  await ask('set local plan_cache_mode = force_generic_plan')
  await ask(`prepare ${name} as ${text}`)
  const [row] = (await ask(`explain (format json) execute ${name}${nulls}`)) as readonly ExplainRow[]
  await ask(`deallocate ${name}`)
  const plan = row?.['QUERY PLAN'][0]?.Plan
  if (plan === undefined) throw new TypeError('The server explained nothing')
  return plan
}
