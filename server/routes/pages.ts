import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import express, { type RequestHandler } from 'express'
import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'

/** Where a browser reaches Pusher. By name: the secret of the app stands beside these in the configuration. */
const PublicPusherApp = z.object({
  key: z.string(),
  cluster: z.string().optional(),
  host: z.string().optional(),
  port: z.number().optional(),
  useTls: z.boolean(),
})
export type PublicPusherApp = z.infer<typeof PublicPusherApp>

const realtimeConfig = defineOperation({
  method: 'get',
  path: '/realtime-config.json',
  summary: 'Where a page reaches Pusher',
  reply: PublicPusherApp,
})

const pages = fileURLToPath(new URL('../dashboard', import.meta.url))
/** What a page needs to hear every event once: plain modules of the publisher's, as any other page would take them. */
const CLIENT_MODULES = ['batch-authorizer.js', 'delivery-guard.js']
const client = fileURLToPath(new URL('../../optimizations/pusher/client', import.meta.url))
const pusherJs = createRequire(import.meta.url).resolve('pusher-js/dist/web/pusher.min.js')

/** The live page at `/`, with the official pusher-js beside it: no build step, nothing from another host. */
export function pageRoutes(api: ApiRouter, { pusher }: { readonly pusher: PublicPusherApp }): void {
  const { key, cluster, host, port, useTls } = pusher
  api.serveOpen(realtimeConfig, () => ({ key, cluster, host, port, useTls }))
  api.servePlain('/vendor/pusher.min.js', (_request, response) => response.sendFile(pusherJs))
  for (const file of CLIENT_MODULES) {
    api.servePlain(`/vendor/${file}`, (_request, response) => response.sendFile(file, { root: client }))
  }
  // Relative, so that it holds below any path at which a reverse proxy shows the server.
  api.servePlain('/docs', (request, response) => {
    if (request.path.endsWith('/')) response.sendFile('docs/index.html', { root: pages })
    else response.status(301).setHeader('location', 'docs/').end()
  })
}

/** The pages themselves. */
export function createStaticPages(): RequestHandler {
  return express.static(pages, { index: 'index.html', redirect: false })
}
