import type { Redis, Result } from 'ioredis'
import { createRedis } from '#server/redis.ts'
import type { Standing } from './board.ts'
import type { LeaderboardStore } from './leaderboard-store.ts'

/** Longer than any read of the database takes, between `version` and `fill`. */
const VERSION_TTL_MS = 600_000

const SCRIPTS = {
  /** KEYS ranking, names, version. ARGV count, user. Answers ids and scores, their names, own score, number of better ones. */
  hotpathTop: `
local standings = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
if #standings == 0 then return redis.call('GET', KEYS[3]) or '0' end
local names = {}
for i = 1, #standings, 2 do names[#names + 1] = redis.call('HGET', KEYS[2], standings[i]) or '' end
local own = redis.call('ZSCORE', KEYS[1], ARGV[2])
return { standings, names, own, own and redis.call('ZCOUNT', KEYS[1], '(' .. own, '+inf') or 0 }`,
  /** KEYS ranking, names, version. ARGV version seen, ttl ms, then score, id and name in turn. */
  hotpathFill: `
if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
for i = 3, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  /** KEYS ranking, names, version. ARGV ttl of the version, score, id, name. What is not kept is not begun: it would look whole. */
  hotpathRaise: `
redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
return redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[3])`,
  /** KEYS ranking, names, version. ARGV ttl of the version. */
  hotpathForget: `
redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[1], KEYS[2])`,
  /** KEYS turn. ARGV interval ms. By the clock of Redis, which all processes share. */
  hotpathTurn: `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if last > now then return -1 end
local at = math.max(now, last + tonumber(ARGV[1]))
redis.call('SET', KEYS[1], at, 'PX', at - now + tonumber(ARGV[1]))
return at - now`,
} as const

type Keys = readonly [ranking: string, names: string, version: string]
type TopAnswer = [standings: string[], names: string[], own: string | null, better: number]

declare module 'ioredis' {
  interface RedisCommander<Context> {
    hotpathTop(...args: [...Keys, count: number, userId: string]): Result<string | TopAnswer, Context>
    hotpathFill(...args: [...Keys, version: string, ...(string | number)[]]): Result<number, Context>
    hotpathRaise(...args: [...Keys, ttlMs: number, score: number, id: string, name: string]): Result<number, Context>
    hotpathForget(...args: [...Keys, ttlMs: number]): Result<number, Context>
    hotpathTurn(turn: string, intervalMs: number): Result<number, Context>
  }
}

class RedisLeaderboardStore implements LeaderboardStore {
  readonly #redis: Redis
  readonly #prefix: string

  constructor(options: { readonly url: string; readonly namespace: string }) {
    this.#prefix = `${options.namespace}:board:`
    this.#redis = createRedis(options.url, { commandTimeoutMs: 200 })
    for (const [name, lua] of Object.entries(SCRIPTS)) {
      this.#redis.defineCommand(name, { lua, numberOfKeys: name === 'hotpathTurn' ? 1 : 3 })
    }
  }

  /** Resolves also when Redis is away: it is tried again in the background. */
  async start(): Promise<void> {
    await this.#redis.connect().catch(() => undefined)
  }

  async read(board: string, count: number, userId: string) {
    const answer = await this.#redis.hotpathTop(...this.#keys(board), count, userId)
    if (typeof answer === 'string') return { version: answer }
    const [members, names, own, better] = answer
    const standings = names.map((displayName, i) => ({
      userId: members[2 * i] ?? '',
      displayName,
      score: Number(members[2 * i + 1]),
    }))
    return { top: { standings, own: own === null ? null : { score: Number(own), rank: better + 1 } } }
  }

  async fill(board: string, standings: readonly Standing[], version: string, ttlMs: number): Promise<void> {
    const members = standings.flatMap(({ score, userId, displayName }) => [score, userId, displayName])
    await this.#redis.hotpathFill(...this.#keys(board), version, ttlMs, ...members)
  }

  async raise(board: string, { score, userId, displayName }: Standing): Promise<void> {
    await this.#redis.hotpathRaise(...this.#keys(board), VERSION_TTL_MS, score, userId, displayName)
  }

  async forget(board: string): Promise<void> {
    await this.#redis.hotpathForget(...this.#keys(board), VERSION_TTL_MS)
  }

  async takeTurn(topic: string, intervalMs: number): Promise<number | null> {
    const inMs = await this.#redis.hotpathTurn(`${this.#prefix}turn:${topic}`, intervalMs)
    return inMs < 0 ? null : inMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }

  /** The braces keep the keys of a ranking in one slot of a cluster. */
  #keys(board: string): Keys {
    const ranking = `${this.#prefix}{${board}}`
    return [ranking, `${ranking}:names`, `${ranking}:version`]
  }
}

export async function startLeaderboardStore(options: {
  readonly url: string
  readonly namespace: string
}): Promise<LeaderboardStore> {
  const store = new RedisLeaderboardStore(options)
  await store.start()
  return store
}
