import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'
import { createChannelAuthorizer, type ChannelAuthorizer } from '#optimizations/pusher/channel-authorization.ts'
import type { ChannelState } from '#optimizations/pusher/channel-state.ts'
import type { Publisher } from '#optimizations/pusher/publisher.ts'
import type { PusherApp } from '#optimizations/pusher/pusher-app.ts'
import { createAssessmentReader, type AssessmentReader } from './assessments.ts'
import { createChannelAccess } from './channel-access.ts'
import { createClassAccess, type Viewer } from './class-access.ts'
import { createClassService, type ClassService } from './classes.ts'
import { createContentService, type ContentService } from './content.ts'
import { createDashboardService, type DashboardService } from './dashboard.ts'
import { createEnrollmentService, type EnrollmentService } from './enrollments.ts'
import type { EventBuilder } from './event-builder.ts'
import { createEventReplayService, type EventReplayService } from './event-replay.ts'
import { createEventPublishing } from './event-publishing.ts'
import type { LeaderboardStore } from './leaderboard/leaderboard-store.ts'
import { createLeaderboard, type Leaderboard } from './leaderboard/leaderboard.ts'
import { createLessonReader, type LessonReader } from './lessons.ts'
import { createNotificationService, type NotificationService } from './notifications.ts'
import { createProgressService, type ProgressService } from './progress.ts'
import { createReadings } from './readings.ts'
import { WorkerPasswordHasher } from './password-hasher.ts'
import type { ReplyEncoder } from './reply-encoder.ts'
import { createReportService, type ReportService } from './reports.ts'
import { createSignInService, type SignInService } from './sign-in.ts'
import { createSubmissionService, type SubmissionService } from './submissions.ts'
import { createTriggerService, type TriggerService } from './triggers.ts'

export interface ServicesDeps {
  readonly optimizations: Pick<Optimizations, 'cache' | 'database' | 'publisher' | 'transaction'>
  readonly pusherApp: PusherApp
  readonly replies: ReplyEncoder
  readonly events: EventBuilder
  /** Whether events go through the outbox, which keeps them for a while. */
  readonly keepsEvents: boolean
  /** null where rankings are always asked of the database. */
  readonly leaderboardStore: LeaderboardStore | null
  /** Told of every fault that no caller sees. */
  readonly onError: (reason: string, error: unknown) => void
  readonly clock?: Clock
}

/** All use cases of the application. To be disposed of before the optimizations stop: they finish what they still do. */
export interface Services extends AsyncDisposable {
  readonly channels: ChannelAuthorizer<Viewer>
  /** What Pusher tells of channels. False, and nothing applied, when it did not come from Pusher. */
  readonly receiveWebhook: ChannelState['receiveWebhook']
  /** How long an event took to a subscriber, as the subscriber says. */
  readonly recordDelivery: Publisher['recordDelivery']
  readonly triggers: TriggerService
  readonly replays: EventReplayService
  readonly signIn: SignInService
  readonly classes: ClassService
  readonly enrollments: EnrollmentService
  readonly lessons: LessonReader
  readonly progress: ProgressService
  readonly assessments: AssessmentReader
  readonly submissions: SubmissionService
  readonly leaderboard: Leaderboard
  readonly content: ContentService
  readonly dashboard: DashboardService
  readonly reports: ReportService
  readonly notifications: NotificationService
}

export function createServices(deps: ServicesDeps): Services {
  const { pusherApp, replies, leaderboardStore, onError, clock = systemClock } = deps
  const { cache, database, publisher } = deps.optimizations
  const { publisher: events, transaction } = createEventPublishing(deps.optimizations, deps.events)
  const optimizations = { database, transaction }
  const tasks = new BackgroundTasks(onError, clock)
  const readings = createReadings(cache)
  const access = createClassAccess({ readings, database })
  const lessons = createLessonReader({ readings, database, access, replies })
  const channelAccess = createChannelAccess({ readings, database, access })
  const hasher = new WorkerPasswordHasher()
  const channels = createChannelAuthorizer({
    app: pusherApp,
    policy: (viewer: Viewer, channel) => channelAccess.mayJoin(viewer, channel),
    // What a decision rests on is in the cache, where every process sees a change at once: a memory of this process
    // alone would outlive a change that another one made.
    ttlMs: 1,
  })
  const leaderboard = createLeaderboard({ database, publisher: events, access, clock, tasks, store: leaderboardStore })
  return {
    channels,
    receiveWebhook: (request) => publisher.channels.receiveWebhook(request),
    recordDelivery: (latencyMs) => publisher.recordDelivery(latencyMs),
    triggers: createTriggerService({ publisher: events, channelAccess }),
    replays: createEventReplayService({
      channels,
      outbox: database.outbox.replay,
      events: deps.events,
      isKept: deps.keepsEvents,
    }),
    signIn: createSignInService({ database, hasher, tasks }),
    classes: createClassService(optimizations, { access, readings, replies }),
    enrollments: createEnrollmentService(optimizations, {
      access,
      onChange: async ({ classId, studentIds, isDropped }) => {
        for (const id of studentIds) {
          channels.revoke(id)
          // What is subscribed to stays so until the connection ends: signed-in clients come back and are asked again.
          if (isDropped) tasks.run('realtime.terminate', () => publisher.channels.terminateConnections(id))
        }
        await leaderboard.membersChanged(classId)
      },
    }),
    lessons,
    progress: createProgressService({ optimizations, lessons }),
    assessments: createAssessmentReader({ readings, database, access, replies }),
    submissions: createSubmissionService(optimizations, { leaderboard }),
    leaderboard,
    content: createContentService(optimizations, { readings, replies }),
    dashboard: createDashboardService({ readings, database, replies, onError }),
    reports: createReportService({ readings, database, replies, onError }),
    notifications: createNotificationService(optimizations, { readings }),
    async [Symbol.asyncDispose]() {
      await hasher[Symbol.asyncDispose]()
      await leaderboard[Symbol.asyncDispose]()
    },
  }
}
