import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { Lesson } from './lesson.ts'
import { User } from './user.ts'

export const PROGRESS_STATUSES = ['in_progress', 'completed'] as const
export type ProgressStatus = (typeof PROGRESS_STATUSES)[number]

const LessonProgressSchema = defineEntity({
  name: 'LessonProgress',
  tableName: 'lesson_progress',
  uniques: [{ properties: ['student', 'lesson'] }],
  checks: [
    { name: 'lesson_progress_percent_check', expression: 'percent::numeric >= 0 and percent::numeric <= 100' },
    { name: 'lesson_progress_time_spent_sec_check', expression: 'time_spent_sec >= 0' },
  ],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    student: () => p.manyToOne(User).ref().deleteRule('cascade'),
    lesson: () => p.manyToOne(Lesson).ref().deleteRule('cascade').index(),
    percent: p.float().columnType('double precision').default(0),
    timeSpentSec: p.integer().default(0),
    status: p.enum(PROGRESS_STATUSES).default('in_progress'),
    lastAccessedAt: p.datetime(),
    completedAt: p.datetime().nullable(),
  },
})

export class LessonProgress extends LessonProgressSchema.class {}
LessonProgressSchema.setClass(LessonProgress)
