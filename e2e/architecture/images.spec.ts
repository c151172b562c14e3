import { readFile } from 'node:fs/promises'
import { expect, test } from '@playwright/test'
import { IMAGES } from '#fixtures/services/containers/images.ts'

const VERSION = String.raw`:\d+\.\d+(\.\d+)?-[a-z\d-]+`
const DIGEST = '@sha256:[0-9a-f]{64}'

for (const [service, image] of Object.entries(IMAGES)) {
  test(`the image of ${service} is pinned by an exact version, an official one by its digest too`, () => {
    const isOfficial = !image.includes('/')
    expect(image).toMatch(new RegExp(`${VERSION}${isOfficial ? DIGEST : `(${DIGEST})?`}$`))
  })
}

test('Docker Compose starts the same images as the tests', async () => {
  const text = await readFile(new URL('../../compose.yaml', import.meta.url), 'utf8')
  const images = [...text.matchAll(/^ +image: \$\{[A-Z]+_IMAGE:-(.+)\}$/gm)].map(([, image]) => image)
  expect(images).toEqual(Object.values(IMAGES))
})
