import type { ClassAccess, Viewer } from './class-access.ts'

export interface ChannelAccess {
  /** Whether the viewer may subscribe to the private channel. A name that no rule knows is refused. */
  mayJoin(viewer: Viewer, channel: string): Promise<boolean>
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const CLASS_CHANNEL = new RegExp(`^private-class-(${UUID})$`)
const USER_CHANNEL = new RegExp(`^private-user-(${UUID})$`)

export function createChannelAccess(access: ClassAccess): ChannelAccess {
  return {
    async mayJoin(viewer, channel) {
      const classId = CLASS_CHANNEL.exec(channel)?.[1]
      if (classId !== undefined) return access.maySee(viewer, classId)
      return USER_CHANNEL.exec(channel)?.[1] === viewer.id
    },
  }
}
