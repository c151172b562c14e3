import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { Database } from '#optimizations/database/database.ts'
import type { ChannelDecision } from '#optimizations/pusher/channel-authorization.ts'
import { cacheTags } from './cache-tags.ts'
import { CONTENT_CHANNEL } from './channel-names.ts'
import type { ClassAccess, Viewer } from './class-access.ts'
import type { Readings } from './readings.ts'

export interface ChannelAccess {
  /** Whether the viewer may subscribe to the channel, and what its members see of them. A name that no rule knows is refused. */
  mayJoin(viewer: Viewer, channel: string): Promise<ChannelDecision>
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const CLASS_CHANNEL = new RegExp(`^(private|presence)-class-(${UUID})$`)
const USER_CHANNEL = new RegExp(`^private-user-(${UUID})$`)

const PROFILE = 'profile'

export function createChannelAccess(deps: {
  readonly readings: Readings
  readonly database: Database
  readonly access: ClassAccess
}): ChannelAccess {
  const { readings, database, access } = deps
  database.statements.register(PROFILE, 'select display_name as "displayName", role from users where id = $1')

  const profileOf = readings.declare({
    name: 'profile',
    ttlMs: TTL_MS.standard,
    tags: (userId) => [cacheTags.belonging(userId)],
    load: async (userId: string) => (await database.statements.execute(PROFILE, [userId]))[0] ?? null,
  })

  return {
    async mayJoin(viewer, channel) {
      const [, kind, classId] = CLASS_CHANNEL.exec(channel) ?? []
      if (classId !== undefined) {
        if (!(await access.maySee(viewer, classId))) return false
        return kind === 'presence' ? { userInfo: (await profileOf(viewer.id)) ?? {} } : true
      }
      if (channel === CONTENT_CHANNEL) return viewer.role !== 'parent'
      return USER_CHANNEL.exec(channel)?.[1] === viewer.id
    },
  }
}
