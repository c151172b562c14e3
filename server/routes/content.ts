import { z } from 'zod'
import { CONTENT_STATUSES } from '#server/entities/content-item.ts'
import { DIFFICULTIES } from '#server/entities/lesson.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { ContentService } from '#server/services/content.ts'
import { Count, FreeForm, GradeLevel, IdParams, page, PageQuery, Stamp, text, Version } from './schemas.ts'

const Summary = z.object({
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
const Content = Summary.extend({ data: z.record(z.string(), z.unknown()) })

const ContentFields = z.strictObject({
  title: text(200),
  contentType: text(40),
  subject: text(100),
  gradeLevel: GradeLevel,
  difficulty: z.enum(DIFFICULTIES),
  data: FreeForm,
})

const list = defineOperation({
  method: 'get',
  path: '/content',
  summary: 'Content by title: students find what is published, teachers their own too, admins everything',
  query: z.strictObject({
    search: text(100).optional(),
    subject: text(100).optional(),
    grade: z.coerce.number().int().min(1).max(12).optional(),
    status: z.enum(CONTENT_STATUSES).optional(),
    ...PageQuery,
  }),
  reply: page(Summary).extend({ total: Count }),
  problems: [403],
})

const details = defineOperation({
  method: 'get',
  path: '/content/:id',
  summary: 'A piece of content',
  params: IdParams,
  reply: Content,
  problems: [403, 404],
})

const create = defineOperation({
  method: 'post',
  path: '/content',
  summary: 'Create a draft',
  body: ContentFields,
  reply: Content,
  statuses: [201],
  problems: [403],
})

const change = defineOperation({
  method: 'patch',
  path: '/content/:id',
  summary: 'Change content of your own, as long as its version is the one that you saw',
  params: IdParams,
  body: ContentFields.partial().extend({
    version: Version,
    status: z.enum(['draft', 'pending', 'approved', 'rejected', 'archived']).optional(),
  }),
  reply: Content,
  problems: [403, 404, 409],
})

const publish = defineOperation({
  method: 'post',
  path: '/content/:id/publish',
  summary: 'Show content of your own to everybody',
  params: IdParams,
  reply: Content,
  problems: [403, 404, 409],
})

export function contentRoutes(api: ApiRouter, { content }: { readonly content: ContentService }): void {
  api.serveEncoded(list, ({ viewer, query }) => content.list(viewer, query))
  api.serveEncoded(details, ({ viewer, params }) => content.details(viewer, params.id))
  api.serve(create, ({ viewer, body }) => content.create(viewer, body))
  api.serve(change, ({ viewer, params, body }) => content.change(viewer, params.id, body))
  api.serve(publish, ({ viewer, params }) => content.publish(viewer, params.id))
}
