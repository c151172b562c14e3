import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from '#fixtures/test.ts'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'
import { RawClient } from '#fixtures/services/pusher/raw-client.ts'

const MAIN = fileURLToPath(new URL('../../../fixtures/services/pusher/server/main.ts', import.meta.url))

function run(args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const env = { ...inheritedEnvironment(), ...variables }
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = Promise.all([once(child, 'exit'), text(child.stderr)])
  return { child, result: async () => ended.then(([[code], stderr]) => ({ code: code as number | null, stderr })) }
}

test.describe('Hotpath’s own server: command line', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`it says where it listens, and ${signal} ends it in good order`, async () => {
      const { child, result } = run(['--app', '1:key:secret'])
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
      const ready = JSON.parse(line) as { listening: { host: string; port: number }; version: string }
      expect(ready).toEqual({
        listening: { host: '127.0.0.1', port: expect.any(Number) },
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      })
      await using client = await RawClient.connect({ ...ready.listening, key: 'key' })
      child.kill(signal)
      expect((await client.closed).code).toBe(4200)
      expect(await result()).toEqual({ code: 0, stderr: '' })
    })
  }

  test('its apps may come from the environment', async () => {
    const { child, result } = run([], { PUSHER_APPS: '1:first:secret,2:second:secret' })
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const { listening } = JSON.parse(line) as { listening: { host: string; port: number } }
    await using client = await RawClient.connect({ ...listening, key: 'second' })
    child.kill('SIGTERM')
    expect((await result()).code).toBe(0)
    expect((await client.closed).code).toBe(4200)
  })

  test('apps are read again when their file changes: clients of others notice nothing, and a faulty file changes nothing', async () => {
    const file = test.info().outputPath('apps.json')
    const keep = { id: '1', key: 'keep', secret: 'hunter2' }
    const change = { id: '2', key: 'change', secret: 'hunter2' }
    const remove = { id: '3', key: 'remove', secret: 'hunter2' }
    await writeFile(file, JSON.stringify([keep, change, remove]))
    const { child, result } = run(['--apps', file])
    const said = createInterface({ input: child.stderr })
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const { listening } = JSON.parse(line) as { listening: { host: string; port: number } }
    const connect = (key: string) => RawClient.connect({ ...listening, key })
    await using kept = await connect('keep')
    await using changed = await connect('change')
    await using removed = await connect('remove')

    let heard = once(said, 'line')
    await writeFile(file, '[{"id":"1","key":"keep","secret":"hunter2"')
    expect((await heard)[0]).toMatch(/^pusher server: the apps stay as they were: .*must hold a JSON array/)
    expect([kept, changed, removed].map(({ webSocket }) => webSocket.readyState)).toEqual([1, 1, 1])

    heard = once(said, 'line')
    const added = { id: '4', key: 'remove', secret: 'hunter2' }
    await writeFile(file, JSON.stringify([keep, { ...change, clientEvents: true }, added]))
    expect((await heard)[0]).toBe('pusher server: apps read again: 1 added, 1 changed, 1 removed')
    expect((await changed.closed).code).toBe(4200)
    expect((await removed.closed).code).toBe(4001)
    await using again = await connect('change')
    await using other = await connect('remove')
    expect([kept, again, other].map(({ webSocket }) => webSocket.readyState)).toEqual([1, 1, 1])
    const health = await fetch(`http://127.0.0.1:${listening.port}/health`)
    expect(await health.json()).toEqual({ status: 'ok', version: expect.any(String), apps: 3, connections: 3 })
    child.kill('SIGTERM')
    const { code, stderr } = await result()
    expect(code).toBe(0)
    expect(stderr).not.toContain('hunter2')
  })

  test('it ends within its deadline although a client does not answer', async () => {
    const { child, result } = run(['--app', '1:key:secret'])
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const { listening } = JSON.parse(line) as { listening: { host: string; port: number } }
    await using client = await RawClient.connect({ ...listening, key: 'key' })
    client.webSocket.pause()
    child.kill('SIGTERM')
    expect((await result()).code).toBe(0)
  })

  test('a port that is taken is one clear line and exit code 1', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const { code, stderr } = await run(['--app', '1:key:secret', '--port', String(port)]).result()
    expect(code).toBe(1)
    expect(stderr).toBe(`pusher server: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`)
    other.close()
  })

  test('an option that there is not is one line and exit code 2', async () => {
    const { code, stderr } = await run(['--nonsense']).result()
    expect(code).toBe(2)
    expect(stderr).toMatch(/^pusher server: [^\n]*--nonsense[^\n]*\n$/)
  })

  test('help is on standard output and names every option', async () => {
    const { child, result } = run(['--help'])
    const help = await text(child.stdout)
    for (const option of [
      '--host',
      '--port',
      '--app ',
      '--apps',
      '--max-connections',
      '--help',
      'PUSHER_APPS',
      'Exit codes',
    ]) {
      expect(help).toContain(option)
    }
    expect(await result()).toEqual({ code: 0, stderr: '' })
  })
})
