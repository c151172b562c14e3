import type { Clock } from '#optimizations/kernel/clock.ts'
import type { QueryOptions, Row, Statements } from '../database.ts'
import type { StatementUsage } from '../database-stats.ts'
import { DatabaseError } from '../errors.ts'

interface Registered {
  readonly sql: string
  uses: number
  lastUsedAt: Date | null
}

export type RunRegistered = (sql: string, params: readonly unknown[], options: QueryOptions) => Promise<object[]>

/** The statements that are written by hand: prepared from their first use, counted by name. */
export class StatementRegistry implements Statements {
  readonly #clock: Clock
  readonly #run: RunRegistered
  readonly #statements = new Map<string, Registered>()

  constructor(clock: Clock, run: RunRegistered) {
    this.#clock = clock
    this.#run = run
  }

  register(name: string, sql: string): void {
    const known = this.#statements.get(name)
    if (known !== undefined && known.sql !== sql) {
      throw new DatabaseError('statement_taken', `The statement "${name}" is registered with another text`)
    }
    if (known === undefined) this.#statements.set(name, { sql, uses: 0, lastUsedAt: null })
  }

  async execute<R extends object = Row>(
    name: string,
    params: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<R[]> {
    const statement = this.#statements.get(name)
    if (statement === undefined) {
      throw new DatabaseError('statement_unknown', `No statement is registered as "${name}"`, { details: { name } })
    }
    statement.uses += 1
    statement.lastUsedAt = new Date(this.#clock.now())
    return (await this.#run(statement.sql, params, options)) as R[]
  }

  usage(): StatementUsage {
    const statements = [...this.#statements]
    return {
      registeredStatements: statements.map(([name]) => name),
      usageStats: Object.fromEntries(statements.map(([name, { uses, lastUsedAt }]) => [name, { uses, lastUsedAt }])),
      totalUsage: statements.reduce((total, [, { uses }]) => total + uses, 0),
    }
  }
}
