import { gzipSync } from 'node:zlib'
import { expect, test } from '@playwright/test'
import { build } from 'esbuild'

const MODULES = ['batch-authorizer.js', 'delivery-guard.js', 'event-replay.js']
const MAX_BYTES = 3_000

test('all that a page needs of it is one bundle of at most 3 kB, minified and with gzip, that imports nothing', async () => {
  const contents = MODULES.map((name) => `export * from './${name}'`).join('\n')
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true,
  })
  const [bundle] = outputFiles
  const bytes = gzipSync(bundle?.contents ?? '', { level: 9 }).byteLength
  test
    .info()
    .annotations.push({ type: 'size', description: `${bundle?.contents.byteLength} bytes, ${bytes} with gzip` })
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES)
  const inputs = Object.keys(metafile.inputs).filter((name) => name !== '<stdin>')
  expect(new Set(inputs.map((name) => name.split('/').at(-1)))).toEqual(new Set(MODULES))
})
