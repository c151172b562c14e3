import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from '@playwright/test'
import express from 'express'
import { serve } from '#fixtures/edges/serve.ts'
import { readPageFile } from './page-file.ts'
import { sendPageFile } from './send-reply.ts'

test('a file is sent whole with its type and a tag, and not again to who has it', async () => {
  const path = test.info().outputPath('page.js')
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'export const here = "ü"\n')
  const file = readPageFile(path)
  const app = express().get('/page.js', (_request, response) => sendPageFile(response, file))
  await using served = await serve(app)
  const first = await fetch(`${served.url}/page.js`)
  expect(await first.text()).toBe('export const here = "ü"\n')
  const { headers } = first
  const length = String(Buffer.byteLength('export const here = "ü"\n'))
  expect([headers.get('content-type'), headers.get('content-length'), headers.get('cache-control')]).toEqual([
    'text/javascript; charset=utf-8',
    length,
    'no-cache',
  ])
  const again = await fetch(`${served.url}/page.js`, { headers: { 'if-none-match': headers.get('etag') ?? '' } })
  expect([again.status, await again.text()]).toEqual([304, ''])
  const head = await fetch(`${served.url}/page.js`, { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, length, ''])
})

test('another content has another tag', async () => {
  const path = test.info().outputPath('style.css')
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'a{}')
  const { etag } = readPageFile(path)
  await writeFile(path, 'b{}')
  expect(readPageFile(path).etag).not.toBe(etag)
})

test('a file of unknown type, and one that is not there, are no page files', () => {
  expect(() => readPageFile('/nowhere/archive.zip')).toThrow('/nowhere/archive.zip: no content type is known for it')
  expect(() => readPageFile('/nowhere/page.js')).toThrow('ENOENT')
})
