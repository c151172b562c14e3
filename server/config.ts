import { z } from 'zod'
import { decimalNumber, wholeNumber } from '#server/schemas/number-text.ts'
import { MAX_CHANNELS_PER_REQUEST } from '#server/schemas/realtime.ts'

const onOff = (fallback: 'on' | 'off') => z.enum(['on', 'off']).default(fallback)
const port = wholeNumber(0, 65_535)

/** Addresses that only this machine reaches. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i

/** An origin is a scheme, a host and a port, and nothing behind it (RFC 6454). */
function parseOrigins(text: string, context: z.RefinementCtx): readonly string[] {
  const origins = text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
  for (const origin of origins) {
    if (URL.parse(origin)?.origin !== origin) context.addIssue({ code: 'custom', message: 'is not a list of origins' })
  }
  return origins
}

/** Everything the server takes from its environment, and what it means. `.env.example` shows the same names. */
const Environment = z
  .object({
    HOST: z.string().min(1).default('127.0.0.1').describe('The address to listen on.'),
    PORT: port
      .default(3000)
      .describe('The port to listen on; 0 takes a free one, and the address is in the log line `listening`.'),
    LOG_LEVEL: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('The least of what is logged: fatal, error, warn, info, debug, trace or silent.'),
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).describe('postgresql://user:password@host:port/database'),
    DATABASE_POOL_SIZE: wholeNumber(1, 500).default(20).describe('Connections to PostgreSQL that are kept.'),
    DATABASE_POOL_OVERFLOW: wholeNumber(0, 500)
      .default(30)
      .describe('Connections beyond them for as long as they are needed.'),
    REDIS_URL: z.url({ protocol: /^rediss?$/ }).describe('redis://host:port, or rediss: over TLS.'),
    PUSHER_APP_ID: z.string().min(1).describe('The app at Pusher.'),
    PUSHER_KEY: z.string().min(1).describe('Its key, which pages learn.'),
    PUSHER_SECRET: z.string().min(1).describe('Its secret, which nobody learns.'),
    PUSHER_CLUSTER: z
      .string()
      .min(1)
      .optional()
      .describe('Where Pusher is: the hosted service by its cluster, or any other server by PUSHER_HOST.'),
    PUSHER_HOST: z
      .string()
      .min(1)
      .optional()
      .describe('Where Pusher is: the host of a server that is not the hosted service.'),
    PUSHER_PORT: port.optional().describe('Its port.'),
    PUSHER_TLS: onOff('off').describe(
      'Whether that server is spoken to over TLS, on or off; the hosted service always is.',
    ),
    PUSHER_EVENTS_PER_SECOND: wholeNumber(1)
      .default(100)
      .describe(
        'Events a second over all processes; what is more waits. The plan of the app at Pusher decides how many are fit.',
      ),
    TOKEN_SECRET: z
      .string()
      .min(32, 'must have at least 32 characters')
      .describe('Signs the access tokens; at least 32 characters. It has no default: a known secret is none.'),
    TOKEN_TTL_SEC: wholeNumber(60, 86_400).default(3_600).describe('How long an access token is valid, in seconds.'),
    SESSION_SEC: wholeNumber(60, 2_592_000)
      .default(43_200)
      .describe('For how long a token may be renewed before the password is asked for again, in seconds.'),
    BODY_LIMIT_BYTES: wholeNumber(1_024)
      .default(102_400)
      .describe('The largest body of a request, inflated, in bytes.'),
    REQUEST_TIMEOUT_MS: wholeNumber(100).default(30_000).describe('How long a request may take, in milliseconds.'),
    HEADERS_TIMEOUT_MS: wholeNumber(100)
      .default(10_000)
      .describe(
        'Until the head of a request has to be there; a connection on which nothing is asked is closed after it.',
      ),
    // Longer than any client or proxy keeps one: whoever closes first must not be the server, or a request that is on its
    // way meets a reset.
    KEEP_ALIVE_TIMEOUT_MS: wholeNumber(1_000)
      .default(75_000)
      .describe('How long a connection without a request is kept; longer than any client or proxy keeps one.'),
    DRAIN_GRACE_MS: wholeNumber(0)
      .default(500)
      .describe(
        'How long a process that shuts down goes on answering before its listener closes: what a balancer needs to notice.',
      ),
    DRAIN_TIMEOUT_MS: wholeNumber(0)
      .default(8_000)
      .describe(
        'How long the whole stop may take: the grace, the requests in flight, the events. `docker stop` kills after 10 s.',
      ),
    RATE_LIMIT_PER_USER: wholeNumber(0)
      .default(1_000)
      .describe('Requests a second of one user over all processes; 0 is no limit.'),
    RATE_LIMIT_PER_ADDRESS: wholeNumber(0)
      .default(10_000)
      .describe('Requests a second of one address over all processes; 0 is no limit.'),
    RATE_LIMIT_TRIGGERS_PER_USER: wholeNumber(0)
      .default(10)
      .describe('Events to others a second of one user; 0 is no limit.'),
    RATE_LIMIT_DELIVERIES_PER_USER: wholeNumber(0)
      .default(50)
      .describe('Reported latencies a second of one user; 0 is no limit.'),
    RATE_LIMIT_CHANNELS_PER_USER: wholeNumber(0)
      .default(100)
      .describe('Signed channels a second of one user; 0 is no limit.'),
    RATE_LIMIT_BODY_BYTES_PER_ADDRESS: wholeNumber(0)
      .default(262_144)
      .describe('Bytes a second of one address in bodies of more than 16 KiB, for each process; 0 is no limit.'),
    RATE_LIMIT_BURST_SEC: decimalNumber(0.1, 3_600)
      .default(2)
      .describe("For how many seconds' worth of its rate a burst may go."),
    SIGN_IN_GUESSES_PER_NAME: wholeNumber(0)
      .default(10)
      .describe(
        'Wrong passwords that may come at once for a name, over all processes, and then one in 30 s; 0 is no limit.',
      ),
    SIGN_IN_GUESSES_PER_ADDRESS: wholeNumber(0)
      .default(100)
      .describe(
        'Wrong passwords that may come at once from an address, over all processes, and then one a second; 0 is no limit.',
      ),
    TRUSTED_PROXIES: wholeNumber(0, 10)
      .default(0)
      .describe("How many proxies in front of the server tell the client's address by `X-Forwarded-For`."),
    CORS_ORIGINS: z
      .string()
      .default('')
      .transform(parseOrigins)
      .describe('Origins whose pages may call the API, separated by commas; without any there is no CORS.'),
    METRICS_TOKEN: z
      .string()
      .min(16, 'must have at least 16 characters')
      .optional()
      .describe('Opens metrics and the details of health to its bearer; without it they are open on loopback only.'),
    WARM_ON_START: onOff('off').describe('Fills the cache in the background after the start, on or off.'),
    STRICT_SCHEMAS: onOff('off').describe(
      'Refuses a reply or an event with members that its schema does not know, instead of leaving them out: for tests.',
    ),
    OPTIMIZATIONS: onOff('on').describe(
      'off: the plain way behind the same routes, for comparison. Switches all three of the following.',
    ),
    OPTIMIZE_CACHE: onOff('on').describe('The same for the cache.'),
    OPTIMIZE_DATABASE: onOff('on').describe('The same for the database.'),
    OPTIMIZE_PUSHER: onOff('on').describe('The same for event delivery.'),
  })
  .refine((env) => env.PUSHER_CLUSTER !== undefined || env.PUSHER_HOST !== undefined, {
    path: ['PUSHER_HOST'],
    message: 'set PUSHER_HOST (and PUSHER_PORT), or PUSHER_CLUSTER for the hosted service',
  })
  .refine((env) => env.DRAIN_GRACE_MS * 2 <= env.DRAIN_TIMEOUT_MS, {
    path: ['DRAIN_GRACE_MS'],
    message: 'is part of DRAIN_TIMEOUT_MS, and at most half of it',
  })

export interface Variable {
  readonly name: string
  readonly meaning: string | undefined
  readonly isRequired: boolean
  /** As it would be written; absent where without the variable there is nothing. */
  readonly byDefault: string | undefined
}

/** The variables, for people. */
export function listVariables(): readonly Variable[] {
  return Object.entries(Environment.shape).map(([name, schema]) => {
    const absent = schema.safeParse(undefined)
    const value = absent.success ? String(absent.data ?? '') : ''
    return {
      name,
      meaning: schema.description,
      isRequired: !absent.success,
      byDefault: value === '' ? undefined : value,
    }
  })
}

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
  const limit = (tokensPerSec: number, leastBurst = 1) =>
    tokensPerSec === 0
      ? undefined
      : { tokensPerSec, burst: Math.max(leastBurst, Math.ceil(tokensPerSec * env.RATE_LIMIT_BURST_SEC)) }
  const guesses = (burst: number, tokensPerSec: number) => (burst === 0 ? undefined : { tokensPerSec, burst })
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
    eventsPerSecond: env.PUSHER_EVENTS_PER_SECOND,
    token: { secret: env.TOKEN_SECRET, ttlSec: env.TOKEN_TTL_SEC, sessionSec: env.SESSION_SEC },
    bodyLimitBytes: env.BODY_LIMIT_BYTES,
    requestTimeoutMs: env.REQUEST_TIMEOUT_MS,
    headersTimeoutMs: env.HEADERS_TIMEOUT_MS,
    keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
    drain: { graceMs: env.DRAIN_GRACE_MS, timeoutMs: env.DRAIN_TIMEOUT_MS },
    rateLimit: {
      perUser: limit(env.RATE_LIMIT_PER_USER),
      perAddress: limit(env.RATE_LIMIT_PER_ADDRESS),
      triggersPerUser: limit(env.RATE_LIMIT_TRIGGERS_PER_USER),
      deliveriesPerUser: limit(env.RATE_LIMIT_DELIVERIES_PER_USER),
      // One request may ask for all channels of a page.
      channelsPerUser: limit(env.RATE_LIMIT_CHANNELS_PER_USER, MAX_CHANNELS_PER_REQUEST),
    },
    bodyAllowance: limit(env.RATE_LIMIT_BODY_BYTES_PER_ADDRESS, env.BODY_LIMIT_BYTES),
    guessLimits: {
      // A person who mistypes waits half a minute for the next try; an address may be a whole school's.
      perName: guesses(env.SIGN_IN_GUESSES_PER_NAME, 1 / 30),
      perAddress: guesses(env.SIGN_IN_GUESSES_PER_ADDRESS, 1),
    },
    trustedProxies: env.TRUSTED_PROXIES,
    corsOrigins: env.CORS_ORIGINS,
    inspection: {
      token: env.METRICS_TOKEN,
      isOpenOnLoopback: LOOPBACK.test(env.HOST) && env.TRUSTED_PROXIES === 0,
    },
    isStrict: env.STRICT_SCHEMAS === 'on',
    warmsOnStart: env.WARM_ON_START === 'on',
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
