import { Router } from 'express'
import type { ApiRouter } from '#server/http/api-router.ts'
import { refuseOtherMethods } from '#server/http/method-not-allowed.ts'
import { openApiDocument } from '#server/http/openapi.ts'
import { sendEncoded } from '#server/http/send-encoded.ts'
import { encode } from '#server/services/encoded.ts'

/** `/openapi.json`: what the API is, for programs; the page at `/docs/` shows it to people. */
export function openApiRoutes(api: ApiRouter, root: string): Router {
  const document = encode(openApiDocument(api.served, root))
  const router = Router()
  router.get('/openapi.json', (_request, response) => sendEncoded(response, document))
  refuseOtherMethods(router)
  return router
}
