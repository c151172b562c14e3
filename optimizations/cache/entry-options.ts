import { CacheError } from './cache-error.ts'
import { TTL_MS } from './cache-defaults.ts'
import type { EntryOptions } from './cache.ts'
import { MAX_TAG_BYTES, MAX_TAGS } from './envelope.ts'

export type ResolvedEntryOptions = { readonly [Name in keyof EntryOptions]-?: NonNullable<EntryOptions[Name]> }

const DEFAULTS = {
  ttlMs: TTL_MS.standard,
  tags: [] as readonly string[],
  staleMs: 0,
  softTimeoutMs: 0,
  loadTimeoutMs: 10_000,
  jitter: 0.1,
  earlyRefresh: 1,
} as const
const DEFAULT_NEGATIVE_TTL_MS = 30_000
/** Tags' counters live for thirty days: what lives as long as that would outlive them. */
const MAX_TTL_MS = 29 * 86_400_000

export function resolveEntryOptions(options: EntryOptions): ResolvedEntryOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const resolved = { ...DEFAULTS, ...Object.fromEntries(given) } as Omit<ResolvedEntryOptions, 'negativeTtlMs'>
  const { negativeTtlMs = Math.min(resolved.ttlMs, DEFAULT_NEGATIVE_TTL_MS) } = options
  requireLifetime('ttlMs', resolved.ttlMs)
  requireLifetime('negativeTtlMs', negativeTtlMs)
  requireRange('staleMs', resolved.staleMs, MAX_TTL_MS)
  requireRange('jitter', resolved.jitter, 1)
  requireTags(resolved.tags)
  return { ...resolved, negativeTtlMs }
}

/** A lifetime is more than nothing: 0 is refused rather than read as a default, or as for ever. */
export function requireLifetime(name: string, ms: number): void {
  if (!(ms >= 1 && ms <= MAX_TTL_MS)) {
    throw new CacheError('invalid_option', `${name} is between 1 ms and 29 days, not ${ms}`)
  }
}

function requireRange(name: string, value: number, max: number): void {
  if (!(value >= 0 && value <= max))
    throw new CacheError('invalid_option', `${name} is between 0 and ${max}, not ${value}`)
}

export function requireTags(tags: readonly string[]): void {
  if (tags.length > MAX_TAGS) throw new CacheError('invalid_option', `An entry has at most ${MAX_TAGS} tags`)
  for (const tag of tags) {
    if (tag === '' || Buffer.byteLength(tag) > MAX_TAG_BYTES) {
      throw new CacheError('invalid_option', `A tag is 1 to ${MAX_TAG_BYTES} bytes long`)
    }
  }
}
