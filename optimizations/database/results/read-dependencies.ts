/** The tables that one reading function read from, collected while it runs. */
export class ReadDependencies {
  #tables: Set<string> | null = new Set()

  /** Null when something was read, or written, that no table's writes can tell of. */
  get tables(): ReadonlySet<string> | null {
    return this.#tables
  }

  add(tables: ReadonlySet<string> | null): void {
    this.#tables = this.#tables === null || tables === null ? null : this.#tables.union(tables)
  }
}
