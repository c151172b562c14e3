import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { SchoolClass } from './school-class.ts'

export const DIFFICULTIES = ['easy', 'medium', 'hard'] as const

/** The body of a lesson: free-form sections, kilobytes of text. */
export interface LessonContent {
  readonly sections: readonly { readonly heading: string; readonly text: string }[]
}

const LessonSchema = defineEntity({
  name: 'Lesson',
  tableName: 'lessons',
  uniques: [{ properties: ['schoolClass', 'orderIndex'] }],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    schoolClass: () => p.manyToOne(SchoolClass).ref().deleteRule('cascade'),
    title: p.string().length(200),
    description: p.text(),
    orderIndex: p.integer(),
    contentType: p.string().length(40),
    difficulty: p.enum(DIFFICULTIES),
    estimatedMinutes: p.integer(),
    contentData: p.json<LessonContent>(),
    isPublished: p.boolean().default(false),
    publishedAt: p.datetime().nullable(),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    version: p.integer().version(),
  },
})

export class Lesson extends LessonSchema.class {}
LessonSchema.setClass(Lesson)
