import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { Database } from '#optimizations/database/database.ts'
import type { ChannelDecision } from '#optimizations/pusher/channel-authorization.ts'
import { cacheTags } from './cache-tags.ts'
import { CONTENT_CHANNEL } from './channel-names.ts'
import type { ClassAccess, Viewer } from './class-access.ts'

export interface ChannelAccess {
  /** Whether the viewer may subscribe to the channel, and what its members see of them. A name that no rule knows is refused. */
  mayJoin(viewer: Viewer, channel: string): Promise<ChannelDecision>
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const CLASS_CHANNEL = new RegExp(`^(private|presence)-class-(${UUID})$`)
const USER_CHANNEL = new RegExp(`^private-user-(${UUID})$`)

const PROFILE = 'profile'

export function createChannelAccess(deps: {
  readonly cache: Cache
  readonly database: Database
  readonly access: ClassAccess
}): ChannelAccess {
  const { cache, database, access } = deps
  database.statements.register(PROFILE, 'select display_name as "displayName", role from users where id = $1')

  const profileOf = async ({ id }: Viewer): Promise<Readonly<Record<string, unknown>>> => {
    const load = async () => (await database.statements.execute(PROFILE, [id]))[0] ?? null
    const tags = [cacheTags.belonging(id)]
    return (await cache.getOrSet(cacheKey('profile', id), load, { ttlMs: TTL_MS.standard, tags })) ?? {}
  }

  return {
    async mayJoin(viewer, channel) {
      const [, kind, classId] = CLASS_CHANNEL.exec(channel) ?? []
      if (classId !== undefined) {
        if (!(await access.maySee(viewer, classId))) return false
        return kind === 'presence' ? { userInfo: await profileOf(viewer) } : true
      }
      if (channel === CONTENT_CHANNEL) return viewer.role !== 'parent'
      return USER_CHANNEL.exec(channel)?.[1] === viewer.id
    },
  }
}
