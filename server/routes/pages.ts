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
/** What a page needs to hear every event once: plain modules of the publisher's, as any other page would take them. */
const CLIENT_MODULES = ['batch-authorizer.js', 'delivery-guard.js']
const client = fileURLToPath(new URL('../../optimizations/pusher/client', import.meta.url))
const pusherJs = createRequire(import.meta.url).resolve('pusher-js/dist/web/pusher.min.js')

/** The live page at `/`, with the official pusher-js beside it: no build step, nothing from another host. */
export function pageRoutes(deps: { readonly pusher: PublicPusherApp }): Router {
  const router = Router()
  router.get('/vendor/pusher.min.js', (_request, response) => response.sendFile(pusherJs))
  for (const file of CLIENT_MODULES) {
    router.get(`/vendor/${file}`, (_request, response) => response.sendFile(file, { root: client }))
  }
  router.get('/realtime-config.json', (_request, response) => response.json(deps.pusher))
  router.use(express.static(pages, { index: 'index.html' }))
  return router
}
