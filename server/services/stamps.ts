/** A stamp as hand-written SQL returns it, in the form of the API (ISO 8601, UTC). */
export function iso(stamp: string): string
export function iso(stamp: string | null): string | null
export function iso(stamp: string | null): string | null {
  return stamp === null ? null : new Date(stamp).toISOString()
}

export const DAY_MS = 86_400_000
