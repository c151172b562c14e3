import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { DIFFICULTIES, Lesson } from './lesson.ts'
import { User } from './user.ts'

export const CONTENT_STATUSES = ['draft', 'pending', 'approved', 'rejected', 'published', 'archived'] as const
export type ContentStatus = (typeof CONTENT_STATUSES)[number]

const ContentItemSchema = defineEntity({
  name: 'ContentItem',
  tableName: 'content_items',
  indexes: [
    { properties: ['status', 'subject', 'gradeLevel'] },
    { properties: ['title', 'id'] },
    {
      // Trigrams let `ilike '%…%'` use an index.
      name: 'content_items_title_trigram_index',
      expression:
        'create index "content_items_title_trigram_index" on "content_items" using gin ("title" gin_trgm_ops)',
    },
  ],
  checks: [{ name: 'content_items_grade_level_check', expression: 'grade_level >= 1 and grade_level <= 12' }],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    creator: () => p.manyToOne(User).ref().index(),
    lesson: () => p.manyToOne(Lesson).ref().nullable().deleteRule('set null').index(),
    title: p.string().length(200),
    contentType: p.string().length(40),
    subject: p.string().length(100),
    gradeLevel: p.smallint(),
    difficulty: p.enum(DIFFICULTIES),
    data: p.json<Readonly<Record<string, unknown>>>(),
    status: p.enum(CONTENT_STATUSES).default('draft'),
    viewCount: p.integer().default(0),
    publishedAt: p.datetime().nullable(),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    version: p.integer().version(),
  },
})

export class ContentItem extends ContentItemSchema.class {}
ContentItemSchema.setClass(ContentItem)
