import type { Optimizations } from '#optimizations/manager/optimizations.ts'
import { createChannelAuthorizer, type ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import type { PusherApp } from '#optimizations/pusher/pusher-app.ts'
import { createChannelAccess } from './channel-access.ts'
import { createClassAccess, type Viewer } from './class-access.ts'
import { createLessonReader, type LessonReader } from './lessons.ts'
import { createProgressService, type ProgressService } from './progress.ts'
import { createSignInService, type SignInService } from './sign-in.ts'

export interface ServicesDeps {
  readonly optimizations: Pick<Optimizations, 'cache' | 'database' | 'publisher' | 'transaction'>
  readonly pusherApp: PusherApp
}

/** All use cases of the application. */
export interface Services {
  readonly channels: ChannelAuthorizer<Viewer>
  readonly signIn: SignInService
  readonly lessons: LessonReader
  readonly progress: ProgressService
}

export function createServices({ optimizations, pusherApp }: ServicesDeps): Services {
  const { cache, database } = optimizations
  const access = createClassAccess({ cache, database })
  const lessons = createLessonReader({ cache, database, access })
  const channelAccess = createChannelAccess(access)
  return {
    channels: createChannelAuthorizer({
      app: pusherApp,
      policy: (viewer: Viewer, channel) => channelAccess.mayJoin(viewer, channel),
    }),
    signIn: createSignInService(database),
    lessons,
    progress: createProgressService({ optimizations, lessons }),
  }
}
