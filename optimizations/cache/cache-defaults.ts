const SECOND = 1_000

/** The ladder of lifetimes. `standard` applies where a caller names none. */
export const TTL_MS = {
  short: 60 * SECOND,
  standard: 300 * SECOND,
  medium: 900 * SECOND,
  long: 3_600 * SECOND,
  veryLong: 86_400 * SECOND,
} as const

/** What a key begins with: the kind of thing that it names. */
export const KEY_PREFIX = {
  user: 'user',
  dashboard: 'dashboard',
  content: 'content',
  agent: 'agent',
  api: 'api',
  query: 'query',
} as const
