import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { ContentService } from '#server/services/content.ts'
import { ContentChange, ContentFields, ContentFilter, ContentPage, ContentView } from '#server/schemas/content.ts'
import { IdParams } from '#server/schemas/values.ts'

const list = defineOperation({
  method: 'get',
  path: '/content',
  summary: 'Content by title: students find what is published, teachers their own too, admins everything',
  query: ContentFilter,
  reply: ContentPage,
  problems: [403],
})

const details = defineOperation({
  method: 'get',
  path: '/content/:id',
  summary: 'A piece of content',
  params: IdParams,
  reply: ContentView,
  problems: [403, 404],
})

const create = defineOperation({
  method: 'post',
  path: '/content',
  summary: 'Create a draft',
  body: ContentFields,
  reply: ContentView,
  statuses: [201],
  problems: [403],
})

const change = defineOperation({
  method: 'patch',
  path: '/content/:id',
  summary: 'Change content of your own, as long as its version is the one that you saw',
  params: IdParams,
  body: ContentChange,
  reply: ContentView,
  problems: [403, 404, 409],
})

const publish = defineOperation({
  method: 'post',
  path: '/content/:id/publish',
  summary: 'Show content of your own to everybody',
  params: IdParams,
  reply: ContentView,
  problems: [403, 404, 409],
})

export function contentRoutes(api: ApiRouter, { content }: { readonly content: ContentService }): void {
  api.serveEncoded(list, ({ viewer, query }) => content.list(viewer, query))
  api.serveEncoded(details, ({ viewer, params }) => content.details(viewer, params.id))
  api.serve(create, ({ viewer, body }) => content.create(viewer, body))
  api.serve(change, ({ viewer, params, body }) => content.change(viewer, params.id, body))
  api.serve(publish, ({ viewer, params }) => content.publish(viewer, params.id))
}
