import { z } from 'zod'
import { CONTENT_STATUSES } from '#server/entities/content-item.ts'
import { DIFFICULTIES } from '#server/entities/lesson.ts'
import { Count, FreeForm, GradeLevel, GradeQuery, page, PageQuery, Stamp, text, Version } from './values.ts'

/** A line of the list. */
export const ContentSummary = z.object({
  id: z.uuid(),
  creatorId: z.uuid(),
  title: z.string(),
  contentType: z.string(),
  subject: z.string(),
  gradeLevel: GradeLevel,
  difficulty: z.enum(DIFFICULTIES),
  status: z.enum(CONTENT_STATUSES),
  viewCount: Count,
  publishedAt: Stamp.nullable(),
  version: Version,
})
export type ContentSummary = z.infer<typeof ContentSummary>

export const ContentPage = page(ContentSummary).extend({ total: Count })
export type ContentPage = z.infer<typeof ContentPage>

export const ContentView = ContentSummary.extend({ data: z.record(z.string(), z.unknown()) })
export type ContentView = z.infer<typeof ContentView>

/** What people write of an item. */
export const ContentFields = z.strictObject({
  title: text(200),
  contentType: text(40),
  subject: text(100),
  gradeLevel: GradeLevel,
  difficulty: z.enum(DIFFICULTIES),
  data: FreeForm,
})
export type ContentFields = z.infer<typeof ContentFields>

/** To `published` there is a way of its own. */
export const ContentChange = ContentFields.partial().extend({
  version: Version,
  status: z.enum(CONTENT_STATUSES).exclude(['published']).optional(),
})
export type ContentChange = z.infer<typeof ContentChange>

/** `search` is a part of the title; letter case does not count. */
export const ContentFilter = z.strictObject({
  search: text(100).optional(),
  subject: text(100).optional(),
  ...GradeQuery,
  status: z.enum(CONTENT_STATUSES).optional(),
  ...PageQuery,
})
export type ContentFilter = z.infer<typeof ContentFilter>
