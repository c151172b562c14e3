import { Router } from 'express'
import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import { openApiDocument } from '#server/http/openapi.ts'
import { sendEncoded } from '#server/http/send-encoded.ts'
import type { ReplyEncoder } from '#server/services/reply-encoder.ts'

const Members = z.record(z.string(), z.unknown())
/** What is in it comes from the schemas of the operations, and from nothing that a request could change. */
const Document = z.object({
  openapi: z.string(),
  info: Members,
  servers: z.array(Members),
  security: z.array(Members),
  paths: Members,
  components: Members,
})

/** `/openapi.json`: what the API is, for programs; the page at `/docs/` shows it to people. */
export function openApiRoutes(
  api: ApiRouter,
  options: { readonly root: string; readonly replies: ReplyEncoder },
): Router {
  const document = options.replies.encode(Document, openApiDocument(api.served, options.root))
  const router = Router()
  router.get('/openapi.json', (_request, response) => sendEncoded(response, document))
  refuseOtherMethods(router)
  return router
}
