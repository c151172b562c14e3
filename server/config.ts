import { z } from 'zod'

const onOff = (fallback: 'on' | 'off') => z.enum(['on', 'off']).default(fallback)
const port = z.coerce.number().int().min(0).max(65_535)

/** Everything the server takes from its environment. `.env.example` shows the same names. */
const Environment = z
  .object({
    HOST: z.string().min(1).default('127.0.0.1'),
    /** 0 takes a free port; the address is in the log line `listening`. */
    PORT: port.default(3000),
    LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
    DATABASE_POOL_SIZE: z.coerce.number().int().min(1).max(500).default(20),
    DATABASE_POOL_OVERFLOW: z.coerce.number().int().min(0).max(500).default(30),
    REDIS_URL: z.url({ protocol: /^rediss?$/ }),
    PUSHER_APP_ID: z.string().min(1),
    PUSHER_KEY: z.string().min(1),
    PUSHER_SECRET: z.string().min(1),
    /** One of the two says where Pusher is: the hosted service by its cluster, any other server by host and port. */
    PUSHER_CLUSTER: z.string().min(1).optional(),
    PUSHER_HOST: z.string().min(1).optional(),
    PUSHER_PORT: port.optional(),
    PUSHER_TLS: onOff('off'),
    /** Signs the access tokens. It has no default: a known secret is none. */
    TOKEN_SECRET: z.string().min(32, 'must have at least 32 characters'),
    TOKEN_TTL_SEC: z.coerce.number().int().min(60).max(86_400).default(3_600),
    BODY_LIMIT_BYTES: z.coerce.number().int().min(1_024).default(102_400),
    REQUEST_TIMEOUT_MS: z.coerce.number().int().min(100).default(30_000),
    DRAIN_TIMEOUT_MS: z.coerce.number().int().min(0).default(10_000),
    OPTIMIZATIONS: onOff('on'),
    OPTIMIZE_CACHE: onOff('on'),
    OPTIMIZE_DATABASE: onOff('on'),
    OPTIMIZE_PUSHER: onOff('on'),
  })
  .refine((env) => env.PUSHER_CLUSTER !== undefined || env.PUSHER_HOST !== undefined, {
    path: ['PUSHER_HOST'],
    message: 'set PUSHER_HOST (and PUSHER_PORT), or PUSHER_CLUSTER for the hosted service',
  })

export type Config = ReturnType<typeof parseConfig>

/** Thrown with one line for each fault, every one naming its variable and none showing a value: values may be secrets. */
export class InvalidEnvironmentError extends Error {
  override name = 'InvalidEnvironmentError'
}

/** The environment, parsed once, frozen. Empty variables count as absent. Throws InvalidEnvironmentError. */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>) {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = Environment.safeParse(present)
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message, code, ...issue }) => {
      const name = path.join('.')
      const missing = code === 'invalid_type' && present[name] === undefined && 'expected' in issue
      return `${name}: ${missing ? 'is required' : message}`
    })
    throw new InvalidEnvironmentError(`Invalid environment: ${faults.join('; ')}`)
  }
  const env = parsed.data
  const optimize = (single: 'on' | 'off'): boolean => env.OPTIMIZATIONS === 'on' && single === 'on'
  return Object.freeze({
    host: env.HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    database: { url: env.DATABASE_URL, poolSize: env.DATABASE_POOL_SIZE, poolOverflow: env.DATABASE_POOL_OVERFLOW },
    redisUrl: env.REDIS_URL,
    pusher: {
      appId: env.PUSHER_APP_ID,
      key: env.PUSHER_KEY,
      secret: env.PUSHER_SECRET,
      useTls: env.PUSHER_TLS === 'on' || env.PUSHER_CLUSTER !== undefined,
      ...(env.PUSHER_CLUSTER === undefined ? {} : { cluster: env.PUSHER_CLUSTER }),
      ...(env.PUSHER_HOST === undefined ? {} : { host: env.PUSHER_HOST }),
      ...(env.PUSHER_PORT === undefined ? {} : { port: env.PUSHER_PORT }),
    },
    token: { secret: env.TOKEN_SECRET, ttlSec: env.TOKEN_TTL_SEC },
    bodyLimitBytes: env.BODY_LIMIT_BYTES,
    requestTimeoutMs: env.REQUEST_TIMEOUT_MS,
    drainTimeoutMs: env.DRAIN_TIMEOUT_MS,
    optimize: {
      cache: optimize(env.OPTIMIZE_CACHE),
      database: optimize(env.OPTIMIZE_DATABASE),
      pusher: optimize(env.OPTIMIZE_PUSHER),
    },
  })
}

export function readConfig(): Config {
  return parseConfig(process.env)
}
