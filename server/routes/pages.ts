import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { urlHost } from '#optimizations/pusher/pusher-app.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import { readPageFile } from '#server/http/page-file.ts'
import { sendPageFile } from '#server/http/send-reply.ts'

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

const PAGES = fileURLToPath(new URL('../dashboard', import.meta.url))
/** What a page needs to hear every event once: plain modules of the publisher's, as any other page would take them. */
const CLIENT_MODULES = ['batch-authorizer.js', 'delivery-guard.js', 'event-replay.js']
const CLIENT = fileURLToPath(new URL('../../optimizations/pusher/client', import.meta.url))
const PUSHER_JS = createRequire(import.meta.url).resolve('pusher-js/dist/web/pusher.min.js')

/** Every file of the pages by the path at which it is served: no build step, nothing from another host. */
function pageFiles(): ReadonlyMap<string, string> {
  const pages = readdirSync(PAGES, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const served = pages.map(({ parentPath, name }) => relative(PAGES, join(parentPath, name)))
  return new Map([
    ...served.map((file) => [`/${file}`, join(PAGES, file)] as const),
    ...CLIENT_MODULES.map((file) => [`/vendor/${file}`, join(CLIENT, file)] as const),
    ['/vendor/pusher.min.js', PUSHER_JS],
  ])
}

/** The live page at `/` and the page of the API at `/docs/`, with the official pusher-js beside them. */
export function pageRoutes(api: ApiRouter, { pusher }: { readonly pusher: PublicPusherApp }): void {
  const { key, cluster, host, port, useTls } = pusher
  // pusher-js puts the host into a URL as it is.
  const address = host === undefined ? {} : { host: urlHost(host) }
  api.serveOpen(realtimeConfig, () => ({ key, cluster, ...address, port, useTls }))
  for (const [path, location] of pageFiles()) {
    const file = readPageFile(location)
    api.servePlain(path, (_request, response) => sendPageFile(response, file))
  }
  const index = readPageFile(join(PAGES, 'index.html'))
  api.servePlain('/', (_request, response) => sendPageFile(response, index))
  const docs = readPageFile(join(PAGES, 'docs/index.html'))
  // Relative, so that it holds below any path at which a reverse proxy shows the server.
  api.servePlain('/docs', (request, response) => {
    if (request.path.endsWith('/')) sendPageFile(response, docs)
    else response.status(301).setHeader('location', 'docs/').end()
  })
}
