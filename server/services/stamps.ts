export const DAY_MS = 86_400_000

/** The first and the last moment that the API can name: RFC 3339 has years of four digits. */
const EARLIEST = '0001-01-01T00:00:00.000Z'
const LATEST = '9999-12-31T23:59:59.999Z'

/** A `timestamptz` as PostgreSQL writes it (DateStyle ISO), of the years that RFC 3339 has. */
const TIMESTAMPTZ = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)$/

/** Undefined where it is not of these years. What is not ISO 8601 to the letter, `Date` would read as it pleases. */
function parseTimestamp(stamp: string): string | undefined {
  const [, date, time, sign = '+', hours = '0', minutes = '0', seconds = '0'] = TIMESTAMPTZ.exec(stamp) ?? []
  if (date === undefined || time === undefined) return undefined
  // Offsets of long ago have seconds, which ISO 8601 has not.
  const offsetMs = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * (sign === '-' ? -1_000 : 1_000)
  const at = new Date(Date.parse(`${date}T${time}Z`) - offsetMs)
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}

/**
 * A stamp as hand-written SQL returns it, in the form of the API (ISO 8601, UTC, milliseconds). What PostgreSQL can hold
 * and the API cannot name (infinity, years before 1 or beyond 9999) is the first or the last moment that it can.
 */
export function iso(stamp: string): string
export function iso(stamp: string | null): string | null
export function iso(stamp: string | null): string | null {
  if (stamp === null) return null
  const text = parseTimestamp(stamp)
  if (text === undefined) {
    if (/^\d{4}-.* BC$|^-infinity$/.test(stamp)) return EARLIEST
    if (/^\d{5,6}-|^infinity$/.test(stamp)) return LATEST
    throw new RangeError('a stamp is not as PostgreSQL writes it with the DateStyle ISO')
  }
  if (text.startsWith('+')) return LATEST
  return text < EARLIEST ? EARLIEST : text
}

/** A `timestamp` in UTC as PostgreSQL writes it, with all of its microseconds. */
const POSITION = /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.\d{1,6})?( BC)?$/
/** What a `timestamp` can hold reaches from 4713 BC to 294276 AD. */
const LAST_YEAR = 294_275
const LAST_YEAR_BC = 4_712
/** The Gregorian calendar repeats itself after so many years. */
const CALENDAR_CYCLE_YEARS = 400

/** Whether PostgreSQL takes the text as a `timestamp`: digits alone do not make a date. */
export function isPosition(text: string): boolean {
  if (text === 'infinity' || text === '-infinity') return true
  const [, year, month, day, hour, minute, second, era] = POSITION.exec(text) ?? []
  if (year === undefined) return false
  const isBc = era !== undefined
  if (Number(year) < 1 || Number(year) > (isBc ? LAST_YEAR_BC : LAST_YEAR)) return false
  const inCycle = CALENDAR_CYCLE_YEARS + ((isBc ? 1 - Number(year) : Number(year)) % CALENDAR_CYCLE_YEARS)
  const lastDay = new Date(Date.UTC(2_000 + inCycle, Number(month), 0)).getUTCDate()
  return (
    Number(month) >= 1 &&
    Number(month) <= 12 &&
    Number(day) >= 1 &&
    Number(day) <= lastDay &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60
  )
}
