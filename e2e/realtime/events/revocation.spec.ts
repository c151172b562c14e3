import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())

test('who is dropped from a class loses the signed-in connection that was in its channel; others keep theirs', async ({
  app,
  realtime,
}) => {
  const teacher = await app.signIn('teacher1')
  const fields = { name: 'Sailing', subject: 'Games', gradeLevel: 6 }
  const classId = (await teacher.post('/api/v1/classes', fields)).body['id'] as string
  const [dropped, stays] = ['student24', 'student25'] as const
  const studentIds = [dropped, stays].map((name) => school.userId(name))
  await teacher.post(`/api/v1/classes/${classId}/enrollments`, { studentIds })
  const clients = { dropped: await realtime.connectAs(dropped), stays: await realtime.connectAs(stays) }
  for (const client of Object.values(clients)) {
    await client.signIn()
    await client.subscribe(`private-class-${classId}`)
  }
  await teacher.delete(`/api/v1/classes/${classId}/enrollments/${school.userId(dropped)}`)
  await expect.poll(() => clients.dropped.state()).not.toBe('connected')

  await teacher.patch(`/api/v1/classes/${classId}`, { version: 1, name: 'Sailing far' })
  await expect.poll(() => clients.stays.received.map(({ event }) => event)).toContain('class.updated')
  expect(clients.dropped.received.map(({ event }) => event)).not.toContain('class.updated')
  const again = await realtime.connectAs(dropped)
  await expect(again.subscribe(`private-class-${classId}`)).rejects.toThrow('403')
})
