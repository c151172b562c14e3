import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { openApiDocument } from '#server/http/openapi.ts'
import { sendEncoded } from '#server/http/send-reply.ts'
import type { ReplyEncoder } from '#server/services/reply-encoder.ts'

const Members = z.record(z.string(), z.unknown())
/** What is in it comes from the schemas of the operations, and from nothing that a request could change. */
const Document = z.object({
  openapi: z.string(),
  info: Members,
  servers: z.array(Members),
  security: z.array(Members),
  paths: z.record(z.string(), Members),
  components: Members,
})

/** `/openapi.json`: what the API is, for programs; the page at `/docs/` shows it to people. After all operations. */
export function openApiRoutes(
  api: ApiRouter,
  { root, replies }: { readonly root: string; readonly replies: ReplyEncoder },
): void {
  const document = replies.encode(Document, openApiDocument(api.served, root))
  api.servePlain('/openapi.json', (_request, response) => sendEncoded(response, document))
}
