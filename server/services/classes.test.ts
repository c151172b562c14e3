import { expect, test } from '@playwright/test'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import type { Database, Row } from '#optimizations/database/database.ts'
import type { Optimizations } from '#optimizations/manager/optimizations.ts'
import { createClassAccess } from './class-access.ts'
import { createClassService } from './classes.ts'
import { createReadings } from './readings.ts'
import { createReplyEncoder } from './reply-encoder.ts'

const STUDENT = { id: '00000000-0000-4000-8000-000000000001', role: 'student' } as const
const CLASS = '00000000-0000-4000-8000-00000000000c'

test('a class that was dropped before the load of the list began is not in the list', async () => {
  let isMember = true
  const rowOf = (id: string): Row => ({
    id,
    name: 'Rowing',
    subject: 'Games',
    gradeLevel: 4,
    room: null,
    schedule: null,
    description: null,
    maxStudents: 30,
    isActive: true,
    teacher: { id: STUDENT.id, displayName: 'T' },
    studentCount: 1,
    version: 1,
  })
  const execute = async (name: string, params: readonly unknown[] = []): Promise<Row[]> => {
    if (name === 'classes of student') return isMember ? [{ id: CLASS }] : []
    return (params[0] as string[]).map(rowOf)
  }
  const database = { statements: { register: () => undefined, execute } } as unknown as Database
  // Between the call of the service and the beginning of its load: as long as another process holds the lease.
  const { promise: leased, resolve: lease } = Promise.withResolvers<void>()
  const cache = createPassThroughCache()
  const readings = createReadings({
    ...cache,
    getOrSet: async (key, load, options) => {
      if (key.startsWith('class-list')) await leased
      return cache.getOrSet(key, load, options)
    },
  })
  const access = createClassAccess({ readings, database })
  const classes = createClassService({ database } as unknown as Optimizations, {
    access,
    readings,
    replies: createReplyEncoder({ isStrict: true }),
  })
  const listed = classes.list(STUDENT, { limit: 20 })
  isMember = false
  lease()
  expect(JSON.parse((await listed).body.toString())).toEqual({ items: [], nextCursor: null })
})
