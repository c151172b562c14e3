import type { CacheKey } from './cache-key.ts'
import type { Entry, Reading } from './entry.ts'
import type { SharedLoad } from './shared-load.ts'

/**
 * What is under way for one key in this process: at most one read and one load, shared by all who ask meanwhile.
 *
 * An invalidation of the key detaches the flight: those who wait get its result, for they asked before; those who come
 * later begin another; and its result is not put into memory. So a flight is also the permission to do that.
 */
export class KeyFlight {
  readonly key: CacheKey
  readonly startedAt: number
  /** Those who have opened it and not yet closed it. */
  users = 1
  isDetached = false
  reading: Promise<Reading> | undefined
  settleReading: ((reading: Reading) => void) | undefined
  load: SharedLoad | undefined
  /** What the first caller will get; those who join get the same. */
  answer: Promise<unknown> | undefined
  /** How many have joined the first caller while it is unknown whether the store has the value. */
  joined = 0
  #onDetach: (() => void)[] | undefined

  constructor(key: CacheKey, startedAt: number) {
    this.key = key
    this.startedAt = startedAt
  }

  detach(): void {
    this.isDetached = true
    for (const wake of this.#onDetach ?? []) wake()
  }

  /**
   * Whether its answer is still to be found out, and will be as true for a caller of this moment. Behind a background
   * load the first caller may hold a stale value, which an invalidation can have ended since.
   */
  get isJoinable(): boolean {
    if (this.answer === undefined) return false
    return this.load === undefined ? this.reading !== undefined : this.load.isCurrent && !this.load.isBackground
  }

  /** One after the other, those who have joined: each is counted like the first caller. */
  takeJoined(): boolean {
    if (this.joined === 0) return false
    this.joined -= 1
    return true
  }

  /** `wake` is called when something becomes known about the key: a stored entry, or an invalidation. */
  onDetach(wake: () => void): void {
    this.#onDetach = [...(this.#onDetach ?? []), wake]
  }
}

/** Takes a copy into memory, where that is allowed. `valueBytes` is the size of the value as bytes. */
export type Keep = (flight: KeyFlight, entry: Entry, valueBytes: number) => void

export interface KeyFlightsDependencies {
  readonly now: () => number
  /** Whether invalidations by other processes arrive here. */
  readonly isCoherent: () => boolean
  /** Whether the store is not asked at all. */
  readonly isCutOff: () => boolean
}

/**
 * While nothing is heard from other processes every caller asks the store, whose leases see to it that one loads for all.
 * While the store is not asked either, those who come within this time share a load: that is the whole time by which a
 * reader that is cut off can be behind an invalidation by another process.
 */
const SHARED_CUT_OFF_MS = 100

export class KeyFlights {
  readonly #deps: KeyFlightsDependencies
  #flights = new Map<CacheKey, KeyFlight>()

  constructor(deps: KeyFlightsDependencies) {
    this.#deps = deps
  }

  /** Joins the flight of the key, or begins one. Whoever opens it must close it. */
  open(key: CacheKey): KeyFlight {
    const current = this.#flights.get(key)
    if (current === undefined || !this.#isShared(current)) return this.begin(key)
    current.users += 1
    return current
  }

  /** A flight of its own, before which all others of the key give way. */
  begin(key: CacheKey): KeyFlight {
    this.detach(key)
    const flight = new KeyFlight(key, this.#deps.now())
    this.#flights.set(key, flight)
    return flight
  }

  close(flight: KeyFlight): void {
    flight.users -= 1
    if (flight.users > 0 || flight.isDetached) return
    // A table that a Map has outgrown, or shrunk out of, refers to the one after it: one that has lived to be collected
    // seldom keeps all later ones, with every flight in them. A Map of a busy moment is therefore not used again.
    if (this.#flights.size === 1) this.#flights = new Map()
    else this.#flights.delete(flight.key)
  }

  detach(key: CacheKey): void {
    const flight = this.#flights.get(key)
    if (flight === undefined) return
    this.#flights.delete(key)
    flight.detach()
  }

  detachAll(): void {
    for (const key of this.#flights.keys()) this.detach(key)
  }

  #isShared(flight: KeyFlight): boolean {
    const { isCoherent, isCutOff, now } = this.#deps
    return isCoherent() || (isCutOff() && now() - flight.startedAt < SHARED_CUT_OFF_MS)
  }
}
