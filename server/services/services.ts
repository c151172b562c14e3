import type { Optimizations } from '#optimizations/manager/optimizations.ts'
import { createChannelAuthorizer, type ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import type { PusherApp } from '#optimizations/pusher/pusher-app.ts'
import { createChannelAccess } from './channel-access.ts'
import { createClassAccess, type Viewer } from './class-access.ts'
import { createClassService, type ClassService } from './classes.ts'
import { createEnrollmentService, type EnrollmentService } from './enrollments.ts'
import { createLessonReader, type LessonReader } from './lessons.ts'
import { createNotificationService, type NotificationService } from './notifications.ts'
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
  readonly classes: ClassService
  readonly enrollments: EnrollmentService
  readonly lessons: LessonReader
  readonly progress: ProgressService
  readonly notifications: NotificationService
}

export function createServices({ optimizations, pusherApp }: ServicesDeps): Services {
  const { cache, database } = optimizations
  const access = createClassAccess({ cache, database })
  const lessons = createLessonReader({ cache, database, access })
  const channelAccess = createChannelAccess(access)
  const channels = createChannelAuthorizer({
    app: pusherApp,
    policy: (viewer: Viewer, channel) => channelAccess.mayJoin(viewer, channel),
  })
  return {
    channels,
    signIn: createSignInService(database),
    classes: createClassService(optimizations, { access }),
    enrollments: createEnrollmentService(optimizations, {
      access,
      onChange: (_classId, studentIds) => {
        for (const id of studentIds) channels.revoke(id)
      },
    }),
    lessons,
    progress: createProgressService({ optimizations, lessons }),
    notifications: createNotificationService(optimizations),
  }
}
