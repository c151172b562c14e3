import type { RowShape } from './wire-connection.ts'

export interface PreparedLimits {
  readonly maxStatements: number
  /** What the server may spend on this connection's plans, by estimate. */
  readonly maxBytes: number
}

export interface Prepared {
  readonly bytes: number
  /** Known after the first execution; from then on the server need not describe its rows again. */
  shape: RowShape | null
}

/** A statement costs the server a fixed part and a part that grows with its text: 43 to 77 KB for a join of 600. */
const BYTES_PER_STATEMENT = 8_192
const BYTES_PER_CHARACTER = 100

/** What one connection has prepared, least recently used first. Evicted names wait for the next message to be closed. */
export class PreparedStatements {
  readonly #limits: PreparedLimits
  readonly #statements = new Map<string, Prepared>()
  #closing: string[] = []
  #bytes = 0

  constructor(limits: PreparedLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#statements.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(name: string): Prepared | undefined {
    const prepared = this.#statements.get(name)
    if (prepared !== undefined) {
      this.#statements.delete(name)
      this.#statements.set(name, prepared)
    }
    return prepared
  }

  add(name: string, text: string): Prepared {
    const bytes = BYTES_PER_STATEMENT + BYTES_PER_CHARACTER * text.length
    const prepared = { bytes, shape: null }
    this.#statements.set(name, prepared)
    this.#bytes += bytes
    for (const oldest of this.#statements.keys()) {
      const isWithin = this.#statements.size <= this.#limits.maxStatements && this.#bytes <= this.#limits.maxBytes
      if (isWithin || oldest === name) break
      this.close(oldest)
    }
    return prepared
  }

  /** Also for a name that may not exist on the server: closing what is not there is no error. */
  close(name: string): void {
    this.#bytes -= this.#statements.get(name)?.bytes ?? 0
    this.#statements.delete(name)
    this.#closing.push(name)
  }

  closeAll(): void {
    for (const name of this.#statements.keys()) this.close(name)
  }

  takeClosing(): readonly string[] {
    const closing = this.#closing
    if (closing.length > 0) this.#closing = []
    return closing
  }
}
