import type { Response } from 'express'

/** Calls `set` at the last moment at which a header can be set; Node has no event for it. */
export function beforeHead(response: Response, set: () => void): void {
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => Response
  response.writeHead = (...args: unknown[]) => {
    if (!response.headersSent) set()
    return writeHead(...args)
  }
}
