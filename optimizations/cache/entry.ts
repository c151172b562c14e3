import type { TagCell } from './tag-versions.ts'

/** Times of an entry on the monotonic clock of this process, in milliseconds. */
export interface EntryTimes {
  readonly freshUntil: number
  readonly staleUntil: number
  /** Drawn once for each copy: from here on a hit also begins a refresh. */
  readonly refreshFrom: number
}

/** One value as this process knows it. Shared by all who read it. */
export class Entry {
  readonly value: unknown
  readonly freshUntil: number
  readonly staleUntil: number
  refreshFrom: number
  /** Not before this is a refresh of this copy begun again. */
  nextRefresh = Number.NEGATIVE_INFINITY
  /** Undefined for an entry without tags. */
  readonly cells: readonly TagCell[] | undefined
  /** As text: a view would keep the whole reply that it was read from. */
  readonly stamp: string
  #promise: Promise<unknown> | undefined

  constructor(value: unknown, times: EntryTimes, stamp: string, cells: readonly TagCell[] | undefined) {
    this.value = value
    this.freshUntil = times.freshUntil
    this.staleUntil = times.staleUntil
    this.refreshFrom = times.refreshFrom
    this.stamp = stamp
    this.cells = cells
  }

  /** The same promise for every hit: a hit allocates nothing. */
  get promise(): Promise<unknown> {
    return (this.#promise ??= Promise.resolve(this.value))
  }

  /** Whether no tag has been invalidated since the value was loaded. */
  get isCurrent(): boolean {
    if (this.cells !== undefined) for (const cell of this.cells) if (!cell.isCurrent) return false
    return true
  }
}

/** Nothing that may be served lies under the key. */
export class Absence {
  /** The stamp of what lies there nonetheless; empty where nothing does. */
  readonly seen: Buffer
  /** False: the store did not answer, so it is unknown what lies there, and nothing can be stored. */
  readonly isKnown: boolean

  constructor(seen: Buffer, isKnown: boolean) {
    this.seen = seen
    this.isKnown = isKnown
  }
}

export type Reading = Entry | Absence

const NOTHING = Buffer.alloc(0)
export const ABSENT = new Absence(NOTHING, true)
export const UNKNOWN = new Absence(NOTHING, false)
