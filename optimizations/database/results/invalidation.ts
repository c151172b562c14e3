import { randomUUID } from 'node:crypto'
import type { NotificationListener } from '../notification-listener.ts'
import type { WireStatement } from '../pool/wire-query.ts'
import type { TableVersions } from './table-versions.ts'
import type { WriteEffect } from './write-effect.ts'

/** The NOTIFY channel on which processes tell one another which tables they wrote to. */
const TABLES_CHANNEL = 'hotpath_tables'

/** NOTIFY takes at most 8,000 bytes; a longer list of tables says everything instead. */
const LONGEST_PAYLOAD = 7_900

export interface InvalidationDeps {
  readonly versions: TableVersions
  /** Null where no other process writes, or where nobody keeps results. */
  readonly listener: NotificationListener | null
  /** Called with what was written, by whomever. */
  readonly onWritten: (effect: WriteEffect) => void
}

/**
 * Carries writes to everything that keeps rows: in this process at once when the commit is confirmed, in others by a
 * NOTIFY that PostgreSQL delivers with the commit. While the listener is away nothing may be kept: `isTrusted` is
 * false, and on its return everything counts as written.
 */
export class Invalidation implements Disposable {
  readonly #deps: InvalidationDeps
  readonly #self = randomUUID()
  readonly #subscriptions: readonly Disposable[] = []

  constructor(deps: InvalidationDeps) {
    this.#deps = deps
    const { listener } = deps
    if (listener === null) return
    // Not a DisposableStack: Node 22 has none.
    this.#subscriptions = [
      listener.on(TABLES_CHANNEL, (payload) => this.#receive(payload)),
      listener.onStateChange(() => this.#written('everything')),
    ]
  }

  get isTrusted(): boolean {
    return this.#deps.listener?.connected ?? true
  }

  /** To be run inside the transaction that makes the effect, or right behind it. */
  announcement(effect: WriteEffect): WireStatement | null {
    if (this.#deps.listener === null) return null
    const tables = effect === 'everything' ? [] : [...effect]
    const list = JSON.stringify(tables)
    // No table at all stands for every one.
    const payload = Buffer.byteLength(list) > LONGEST_PAYLOAD ? '[]' : list
    return {
      text: 'select pg_notify($1, $2)',
      name: 'hotpath_notify',
      parameters: { values: [TABLES_CHANNEL, `${this.#self} ${payload}`], oids: [] },
    }
  }

  committed(effect: WriteEffect): void {
    this.#written(effect)
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]()
  }

  /** An empty message is the listener's own, after a reconnection, whose loss was counted already. */
  #receive(payload: string): void {
    const space = payload.indexOf(' ')
    if (space === -1 || payload.slice(0, space) === this.#self) return
    this.#written(parseEffect(payload.slice(space + 1)))
  }

  #written(effect: WriteEffect): void {
    this.#deps.versions.written(effect)
    this.#deps.onWritten(effect)
  }
}

function parseEffect(payload: string): WriteEffect {
  try {
    const tables: unknown = JSON.parse(payload)
    if (Array.isArray(tables) && tables.length > 0) return new Set(tables.map(String))
  } catch {
    // A stranger on the channel: whatever it means, everything may have changed.
  }
  return 'everything'
}
