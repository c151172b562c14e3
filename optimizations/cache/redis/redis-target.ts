import { CacheError } from '../cache-error.ts'

export interface RedisNode {
  readonly host: string
  readonly port: number
}

/** Where Redis is, as one URL of the environment says it. */
export interface RedisTarget {
  readonly kind: 'single' | 'cluster' | 'sentinel'
  readonly nodes: readonly RedisNode[]
  readonly usesTls: boolean
  readonly username?: string
  readonly password?: string
  readonly database: number
  /** What the sentinels call the primary. */
  readonly primaryName?: string
}

const FORM = /^(redis|rediss)(\+cluster|\+sentinel)?:\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/([^?#]*))?$/
const DEFAULT_PORT = { single: 6379, cluster: 6379, sentinel: 26_379 } as const

/**
 * Reads `redis://user:password@host:port/database`, `rediss://…` for TLS, `redis+cluster://host:port,host:port` and
 * `redis+sentinel://host:port,host:port/primary-name/database`.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const match = FORM.exec(url)
  // The URL itself is not repeated: it may hold a password.
  if (match === null) throw new CacheError('invalid_option', 'The URL of Redis is redis[s][+cluster|+sentinel]://…')
  const [, scheme, suffix, login, hosts = '', path = ''] = match
  const kind = suffix === '+cluster' ? 'cluster' : suffix === '+sentinel' ? 'sentinel' : 'single'
  const segments = path.split('/').filter((segment) => segment !== '')
  const primaryName = kind === 'sentinel' ? segments.shift() : undefined
  if (kind === 'sentinel' && primaryName === undefined) {
    throw new CacheError('invalid_option', 'The URL of a Redis behind sentinels names the primary in its path')
  }
  const database = Number(segments[0] ?? 0)
  if (!Number.isInteger(database) || database < 0) {
    throw new CacheError('invalid_option', 'The database in the URL of Redis is a whole number')
  }
  const [username, password] = splitLogin(login)
  return {
    kind,
    nodes: hosts.split(',').map((host) => parseNode(host, DEFAULT_PORT[kind])),
    usesTls: scheme === 'rediss',
    database,
    ...(username ? { username } : {}),
    ...(password === undefined ? {} : { password }),
    ...(primaryName === undefined ? {} : { primaryName }),
  }
}

function splitLogin(login: string | undefined): [string | undefined, string | undefined] {
  if (login === undefined || login === '') return [undefined, undefined]
  const colon = login.indexOf(':')
  if (colon < 0) return [decodeURIComponent(login), undefined]
  return [decodeURIComponent(login.slice(0, colon)), decodeURIComponent(login.slice(colon + 1))]
}

function parseNode(text: string, defaultPort: number): RedisNode {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text)
  const port = Number(match?.[2] ?? defaultPort)
  if (match?.[1] === undefined || port > 65_535) {
    throw new CacheError('invalid_option', 'Every node in the URL of Redis is a host, or host:port')
  }
  return { host: match[1].replaceAll(/[[\]]/g, ''), port }
}
