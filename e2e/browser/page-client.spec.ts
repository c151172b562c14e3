import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { json } from 'node:stream/consumers'
import { build } from 'esbuild'
import { serve, type ServedApp } from '#fixtures/edges/serve.ts'
import { expect, test } from '#fixtures/test.ts'
import { createChannelAuthorizer, type ChannelUser } from '#optimizations/pusher/channel-authorization.ts'
import { createPusherLibrary, type PusherApp } from '#optimizations/pusher/pusher-app.ts'

const CLIENT = path.join(import.meta.dirname, '../../optimizations/pusher/client')
const PUSHER_JS = createRequire(import.meta.url).resolve('pusher-js/dist/web/pusher.min.js')
const USER = { id: 'user-1' }
const CHANNEL = 'private-page'

/** What a page writes that uses the helpers; `from` is where its modules are. */
const program = (from: string, target: { readonly key: string; readonly host: string; readonly port: number }) => `
import { createBatchAuthorizer } from '${from}/batch-authorizer.js'
import { createDeliveryGuard } from '${from}/delivery-guard.js'
import { createEventReplay } from '${from}/event-replay.js'

const state = (window.state = { heard: [], gaps: [] })
const onGap = (gap) => state.gaps.push(gap)
const guard = createDeliveryGuard({ onGap, replay: createEventReplay({ endpoint: '/replay', onGap }) })
const client = new Pusher('${target.key}', {
  cluster: '',
  wsHost: '${target.host}',
  wsPort: ${target.port},
  forceTLS: false,
  enabledTransports: ['ws'],
  enableStats: false,
  channelAuthorization: { customHandler: createBatchAuthorizer({ endpoint: '/authorize' }) },
})
guard.watch(client.subscribe('${CHANNEL}')).bind('told', ({ text }) => state.heard.push(text))
`

const WAYS = {
  'script tags': async (target: Parameters<typeof program>[1]) => ({
    page: `<script src="/pusher.js"></script><script type="module">${program('/client', target)}</script>`,
    bundle: '',
  }),
  'a bundler': async (target: Parameters<typeof program>[1]) => {
    const { outputFiles } = await build({
      stdin: { contents: `import Pusher from 'pusher-js'\n${program(CLIENT, target)}`, resolveDir: CLIENT },
      bundle: true,
      minify: true,
      format: 'iife',
      platform: 'browser',
      write: false,
    })
    return { page: `<script src="/bundle.js"></script>`, bundle: outputFiles[0]?.text ?? '' }
  },
}

/** A server of somebody's, with the two endpoints that the helpers ask. */
async function startSite(pusher: PusherApp, { page, bundle }: { page: string; bundle: string }): Promise<ServedApp> {
  const authorizer = createChannelAuthorizer<ChannelUser>({ app: pusher, policy: async () => true })
  const events = [{ id: '2', position: '2', event: 'told', data: { text: 'missed' } }]
  const answer = async (request: IncomingMessage): Promise<string> => {
    if (request.url === '/authorize') {
      const { socket_id: id, channel_names: names } = (await json(request)) as Record<string, never>
      return JSON.stringify(await authorizer.authorizeMany(USER, id ?? '', names ?? []))
    }
    const { positions } = (await json(request)) as { readonly positions: Record<string, string | null> }
    const isNew = positions[CHANNEL] === null
    const entry = { status: 200, position: isNew ? '1' : '2', isComplete: true, hasMore: false }
    return JSON.stringify({ [CHANNEL]: { ...entry, events: isNew ? [] : events } })
  }
  return serve((request, response) => {
    const { url = '/' } = request
    const file =
      url === '/pusher.js' ? PUSHER_JS : url.startsWith('/client/') ? path.join(CLIENT, path.basename(url)) : ''
    const respond = async (): Promise<void> => {
      if (request.method === 'POST') response.end(await answer(request))
      else if (url === '/') response.setHeader('content-type', 'text/html').end(`<!doctype html>${page}`)
      else if (url === '/bundle.js') response.setHeader('content-type', 'text/javascript').end(bundle)
      else if (file === '') response.writeHead(404).end()
      else response.setHeader('content-type', 'text/javascript').end(await readFile(file))
    }
    respond().catch(() => response.writeHead(500).end())
  })
}

for (const [way, prepare] of Object.entries(WAYS)) {
  test(`a page that loads the helpers and the official pusher-js by ${way} hears what it missed and what is live, once`, async ({
    page,
    pusher,
  }) => {
    await using site = await startSite(pusher, await prepare(pusher))
    await page.goto(site.url)
    const heard = (): Promise<unknown> => page.evaluate('window.state.heard')
    await expect.poll(heard).toEqual(['missed'])
    const library = createPusherLibrary(pusher)
    for (const [id, after, text] of [
      ['2', '1', 'missed'],
      ['3', '2', 'live'],
      ['3', '2', 'live'],
    ]) {
      await library.trigger(CHANNEL, 'told', { _event: `${id} ${after} ${Date.now()}`, text })
    }
    await library.trigger(CHANNEL, 'told', { text: 'last' })
    await expect.poll(heard).toEqual(['missed', 'live', 'last'])
    expect(await page.evaluate('window.state.gaps')).toEqual([])
  })
}
