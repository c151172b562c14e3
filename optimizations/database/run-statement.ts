/** Runs one statement; parameters are `$1`, `$2`, …. */
export type RunStatement = (sql: string, params: readonly unknown[]) => Promise<readonly object[]>

/** Runs the statements of `work` in one READ COMMITTED transaction. */
export type RunTransaction = <T>(work: (query: RunStatement) => Promise<T>) => Promise<T>
