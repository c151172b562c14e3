import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import { decodeEntry, stampOf, stampText, type DecodedEntry } from './envelope.ts'
import { Absence, ABSENT, Entry, UNKNOWN, type Reading } from './entry.ts'
import type { GuardedStore } from './guarded-store.ts'
import type { Keep, KeyFlight } from './key-flights.ts'
import { refreshFrom } from './lifetime.ts'
import type { StatisticsRecorder } from './statistics-recorder.ts'
import type { TagCell, TagVersions } from './tag-versions.ts'
import type { ValueCodec } from './value-codec.ts'

/** Reads of one turn that travel as one command; more of them keep the server from everything else for too long. */
const MAX_BATCH = 64

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
  #queue: KeyFlight[] = []

  constructor(deps: RemoteReaderDependencies) {
    this.#deps = deps
  }

  /** Never rejects: a store that does not answer holds nothing that can be known. */
  read(flight: KeyFlight): Promise<Reading> {
    if (flight.reading === undefined) {
      flight.reading = new Promise((resolve) => {
        flight.settleReading = resolve
      })
      if (this.#queue.push(flight) === 1) process.nextTick(this.#flush)
    }
    return flight.reading
  }

  /** What bytes from the store are worth at this moment. Synchronous unless a tag has to be asked for. */
  interpret(flight: KeyFlight, bytes: Buffer, times = this.#times()): Reading | Promise<Reading> {
    const { statistics, tags } = this.#deps
    statistics.counts.bytesRead += bytes.length
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

  async #read(batch: readonly KeyFlight[]): Promise<void> {
    let found: readonly (Buffer | null)[]
    try {
      found = await this.#deps.guard.run('read', (store) => store.read(batch.map((flight) => flight.key)))
    } catch {
      for (const flight of batch) settle(flight, UNKNOWN)
      return
    }
    const times = this.#times()
    for (const [index, flight] of batch.entries()) {
      const bytes = found[index]
      const reading = bytes ? this.interpret(flight, bytes, times) : ABSENT
      if (reading instanceof Promise) void reading.then((late) => settle(flight, late))
      else settle(flight, reading)
    }
  }

  #decode(bytes: Buffer): DecodedEntry | undefined {
    try {
      const decoded = decodeEntry(bytes)
      if (decoded !== undefined) return decoded
    } catch {
      // A checksum that fits bytes which do not: made by somebody else.
    }
    this.#deps.statistics.counts.corrupted += 1
    return undefined
  }

  #admit(flight: KeyFlight, decoded: DecodedEntry, cells: readonly TagCell[] | undefined, times: Times): Reading {
    const isCurrent =
      cells === undefined || cells.every((cell, at) => cell.isCurrent && cell.version === decoded.versions[at])
    const { bytes } = decoded.body
    if (!isCurrent) return new Absence(stampOf(bytes), true)
    const { codec, random, statistics, keep } = this.#deps
    let value: unknown
    try {
      value = codec.decode(decoded.body)
    } catch {
      statistics.counts.corrupted += 1
      return new Absence(stampOf(bytes), true)
    }
    const freshUntil = decoded.freshUntil + times.monotonicOffset
    const entryTimes = {
      freshUntil,
      staleUntil: decoded.staleUntil + times.monotonicOffset,
      refreshFrom: refreshFrom(freshUntil, decoded.loadMs, decoded.earlyRefresh, random),
    }
    const entry = new Entry(value, entryTimes, stampText(bytes), cells)
    keep(flight, entry, codec.plainBytes(decoded.body))
    return entry
  }

  #times(): Times {
    const now = this.#deps.clock.now()
    return { now, monotonicOffset: this.#deps.clock.monotonic() - now }
  }
}

function settle(flight: KeyFlight, reading: Reading): void {
  // Who asks from here on asks anew.
  flight.reading = undefined
  flight.settleReading?.(reading)
}
