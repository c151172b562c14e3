import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import { decodeEntry, stampOf, type DecodedEntry } from './envelope.ts'
import { Absence, ABSENT, Entry, UNKNOWN, type Reading } from './entry.ts'
import type { GuardedStore } from './guarded-store.ts'
import type { Keep, KeyFlight } from './key-flights.ts'
import { refreshFrom } from './lifetime.ts'
import type { StatisticsRecorder } from './statistics-recorder.ts'
import type { TagCell, TagVersions } from './tag-versions.ts'
import type { ValueCodec } from './value-codec.ts'

/** Reads of one turn that travel as one command; more of them keep the server from everything else for too long. */
const MAX_BATCH = 64

interface PendingRead {
  readonly flight: KeyFlight
  readonly resolve: (reading: Reading) => void
}

/** The clocks of one batch: entries carry the time of the day, memory lives by the monotonic clock. */
interface Times {
  readonly now: number
  readonly monotonicOffset: number
}

export interface RemoteReaderDependencies {
  readonly guard: GuardedStore
  readonly tags: TagVersions
  readonly codec: ValueCodec
  readonly statistics: StatisticsRecorder
  readonly clock: Clock
  readonly random: Random
  readonly keep: Keep
}

/** Reads the store: what is asked for in one turn of the event loop is one round trip. */
export class RemoteReader {
  readonly #deps: RemoteReaderDependencies
  readonly #flush = (): void => {
    const pending = this.#queue
    this.#queue = []
    for (let at = 0; at < pending.length; at += MAX_BATCH) void this.#read(pending.slice(at, at + MAX_BATCH))
  }
  #queue: PendingRead[] = []

  constructor(deps: RemoteReaderDependencies) {
    this.#deps = deps
  }

  /** Never rejects: a store that does not answer holds nothing that can be known. */
  read(flight: KeyFlight): Promise<Reading> {
    flight.reading ??= new Promise((resolve) => {
      if (this.#queue.length === 0) process.nextTick(this.#flush)
      this.#queue.push({ flight, resolve })
    })
    return flight.reading
  }

  /** What bytes from the store are worth at this moment. Synchronous unless a tag has to be asked for. */
  interpret(flight: KeyFlight, bytes: Buffer, times = this.#times()): Reading | Promise<Reading> {
    const { statistics, tags } = this.#deps
    statistics.bytesRead += bytes.length
    const decoded = this.#decode(bytes)
    if (decoded === undefined || times.now >= decoded.staleUntil) return new Absence(stampOf(bytes), true)
    if (decoded.tags.length === 0) return this.#admit(flight, decoded, undefined, times)
    const known = tags.known(decoded.tags)
    if (known !== undefined) return this.#admit(flight, decoded, known, times)
    return tags.resolve(decoded.tags).then(
      (cells) => this.#admit(flight, decoded, cells, times),
      () => UNKNOWN,
    )
  }

  async #read(batch: readonly PendingRead[]): Promise<void> {
    let found: readonly (Buffer | null)[]
    try {
      const keys = batch.map(({ flight }) => flight.key)
      found = await this.#deps.guard.run('read', (store) => store.read(keys))
    } catch {
      for (const { flight, resolve } of batch) this.#settle(flight, resolve, UNKNOWN)
      return
    }
    const times = this.#times()
    for (const [index, { flight, resolve }] of batch.entries()) {
      const bytes = found[index]
      this.#settle(flight, resolve, bytes ? this.interpret(flight, bytes, times) : ABSENT)
    }
  }

  #settle(flight: KeyFlight, resolve: (reading: Reading) => void, reading: Reading | Promise<Reading>): void {
    if (!(reading instanceof Promise)) {
      flight.reading = undefined
      resolve(reading)
      return
    }
    void reading.then((settled) => this.#settle(flight, resolve, settled))
  }

  #decode(bytes: Buffer): DecodedEntry | undefined {
    try {
      const decoded = decodeEntry(bytes)
      if (decoded !== undefined) return decoded
    } catch {
      // A checksum that fits bytes which do not: made by somebody else.
    }
    this.#deps.statistics.corrupted += 1
    return undefined
  }

  #admit(flight: KeyFlight, decoded: DecodedEntry, cells: readonly TagCell[] | undefined, times: Times): Reading {
    const isCurrent =
      cells === undefined || cells.every((cell, at) => cell.isCurrent && cell.version === decoded.versions[at])
    if (!isCurrent) return new Absence(decoded.stamp, true)
    const { codec, random, statistics, keep } = this.#deps
    let value: unknown
    try {
      value = codec.decode(decoded.body)
    } catch {
      statistics.corrupted += 1
      return new Absence(decoded.stamp, true)
    }
    const freshUntil = decoded.freshUntil + times.monotonicOffset
    const entryTimes = {
      freshUntil,
      staleUntil: decoded.staleUntil + times.monotonicOffset,
      refreshFrom: refreshFrom(freshUntil, decoded.loadMs, decoded.earlyRefresh, random),
    }
    const entry = new Entry(value, entryTimes, decoded.stamp, cells)
    keep(flight, entry, codec.plainBytes(decoded.body))
    return entry
  }

  #times(): Times {
    const now = this.#deps.clock.now()
    return { now, monotonicOffset: this.#deps.clock.monotonic() - now }
  }
}
