import { connect } from 'node:net'
import { once } from 'node:events'

export interface Backend {
  readonly host: string
  readonly port: number
  readonly processId: number
  readonly secretKey: number
}

/** The CancelRequest of the protocol (manual 55.7): 16 bytes on a connection of its own, which the server closes. */
const CANCEL_REQUEST_CODE = 80_877_102
const LENGTH = 16

/** Resolves when the server has passed the request on to the backend. The backend answers to its own connection. */
export async function requestCancel({ host, port, processId, secretKey }: Backend, signal: AbortSignal): Promise<void> {
  const message = Buffer.alloc(LENGTH)
  message.writeInt32BE(LENGTH, 0)
  message.writeInt32BE(CANCEL_REQUEST_CODE, 4)
  message.writeInt32BE(processId, 8)
  message.writeInt32BE(secretKey, 12)
  const socket = host.startsWith('/') ? connect({ path: `${host}/.s.PGSQL.${port}` }) : connect({ host, port })
  try {
    socket.end(message)
    socket.resume()
    await once(socket, 'close', { signal })
  } finally {
    socket.destroy()
  }
}
