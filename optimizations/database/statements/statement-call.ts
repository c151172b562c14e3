import type { WireStatement } from '../pool/wire-query.ts'
import type { RequestContext } from '../request-context.ts'
import type { BoundParameters } from './bind-parameters.ts'
import type { SqlAnalysis } from './sql-analysis.ts'

export interface StatementIdentity {
  readonly text: string
  readonly bound: BoundParameters
}

export interface Described {
  readonly analysis: SqlAnalysis
  readonly identity: StatementIdentity | null
}

/** One execution: what is sent, what is known of it, and for whom. Kysely carries it to the connection unopened. */
export class StatementCall {
  readonly statement: WireStatement
  readonly analysis: SqlAnalysis
  readonly context: RequestContext | null
  /** The text with its parameters, one for both forms in which it may be sent; null where there is only one. */
  readonly identity: StatementIdentity | null
  /** How long it waited for its connection. */
  acquireMs = 0
  /** Whether the server can have seen it. */
  wasSent = false

  constructor(statement: WireStatement, { analysis, identity }: Described, context: RequestContext | null) {
    this.statement = statement
    this.analysis = analysis
    this.identity = identity
    this.context = context
  }
}
