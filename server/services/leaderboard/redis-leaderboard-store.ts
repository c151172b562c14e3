import type { Cluster, Redis } from 'ioredis'
import { runScript, script } from '#optimizations/cache/redis/script-runner.ts'
import type { LeaderboardStore } from './leaderboard-store.ts'

/** Longer than any read of the database takes, between `version` and `fill`. */
const VERSION_TTL_MS = 600_000

/** KEYS ranking, names, version. ARGV count, user. Answers ids and scores, their names, own score, number of better ones. */
const TOP = script(`
local standings = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
if #standings == 0 then return redis.call('GET', KEYS[3]) or '0' end
local names = {}
for i = 1, #standings, 2 do names[#names + 1] = redis.call('HGET', KEYS[2], standings[i]) or '' end
local own = redis.call('ZSCORE', KEYS[1], ARGV[2])
return { standings, names, own, own and redis.call('ZCOUNT', KEYS[1], '(' .. own, '+inf') or 0 }`)

/** KEYS ranking, names, version. ARGV version seen, ttl ms, then score, id and name in turn. */
const FILL = script(`
if (redis.call('GET', KEYS[3]) or '0') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
for i = 3, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

/** KEYS ranking, names, version. ARGV ttl of the version, score, id, name. What is not kept is not begun: it would look whole. */
const RAISE = script(`
redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
return redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[3])`)

/** KEYS ranking, names, version. ARGV ttl of the version. */
const FORGET = script(`
redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[1], KEYS[2])`)

/** KEYS turn. ARGV interval ms. By the clock of Redis, which all processes share. */
const TURN = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if last > now then return -1 end
local at = math.max(now, last + tonumber(ARGV[1]))
redis.call('SET', KEYS[1], at, 'PX', at - now + tonumber(ARGV[1]))
return at - now`)

type TopAnswer = readonly [standings: Buffer[], names: Buffer[], own: Buffer | null, better: number]

export function createRedisLeaderboardStore(redis: Redis | Cluster, namespace: string): LeaderboardStore {
  /** The braces keep the keys of a ranking in one slot of a cluster. */
  const keysOf = (board: string): readonly string[] => {
    const ranking = `${namespace}:board:{${board}}`
    return [ranking, `${ranking}:names`, `${ranking}:version`]
  }
  return {
    async read(board, count, userId) {
      const answer = (await runScript(redis, TOP, keysOf(board), [count, userId])) as Buffer | TopAnswer
      if (Buffer.isBuffer(answer)) return { version: String(answer) }
      const [members, names, own, better] = answer
      const standings = names.map((displayName, i) => ({
        userId: String(members[2 * i]),
        displayName: String(displayName),
        score: Number(members[2 * i + 1]),
      }))
      return { top: { standings, own: own === null ? null : { score: Number(own), rank: better + 1 } } }
    },

    async fill(board, standings, version, ttlMs) {
      const members = standings.flatMap(({ score, userId, displayName }) => [score, userId, displayName])
      await runScript(redis, FILL, keysOf(board), [version, ttlMs, ...members])
    },

    async raise(board, { score, userId, displayName }) {
      await runScript(redis, RAISE, keysOf(board), [VERSION_TTL_MS, score, userId, displayName])
    },

    async forget(board) {
      await runScript(redis, FORGET, keysOf(board), [VERSION_TTL_MS])
    },

    async takeTurn(topic, intervalMs) {
      const inMs = Number(await runScript(redis, TURN, [`${namespace}:board:turn:${topic}`], [intervalMs]))
      return inMs < 0 ? null : inMs
    },
  }
}
