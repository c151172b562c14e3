import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'

export interface Script {
  readonly lua: string
  readonly sha: string
}

export function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** Runs a script by its digest; a server that does not know it (new, restarted, flushed) is sent the text once. */
export async function runScript(
  redis: Redis | Cluster,
  one: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  try {
    return await redis.callBuffer('EVALSHA', one.sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return runScriptInOrder(redis, one, keys, args)
  }
}

/**
 * Runs a script by its text, which no server refuses. By its digest the first one may be refused, and the next one, sent
 * before the refusal has arrived, executed before the first is sent again.
 */
export async function runScriptInOrder(
  redis: Redis | Cluster,
  { lua }: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  return redis.callBuffer('EVAL', lua, keys.length, ...keys, ...args)
}
