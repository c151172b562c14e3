import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import express, { Router } from 'express'

/** Where a browser reaches Pusher: nothing of it is secret. */
export interface PublicPusherApp {
  readonly key: string
  readonly cluster?: string
  readonly host?: string
  readonly port?: number
  readonly useTls: boolean
}

const pages = fileURLToPath(new URL('../dashboard', import.meta.url))
const pusherJs = createRequire(import.meta.url).resolve('pusher-js/dist/web/pusher.min.js')

/** The live page at `/`, with the official pusher-js beside it: no build step, nothing from another host. */
export function pageRoutes(deps: { readonly pusher: PublicPusherApp }): Router {
  const router = Router()
  router.get('/vendor/pusher.min.js', (_request, response) => response.sendFile(pusherJs))
  router.get('/realtime-config.json', (_request, response) => response.json(deps.pusher))
  router.use(express.static(pages, { index: 'index.html' }))
  return router
}
