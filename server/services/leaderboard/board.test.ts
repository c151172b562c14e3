import { expect, test } from '@playwright/test'
import { boardName, periodStart } from './board.ts'

for (const [now, week, month] of [
  ['2026-11-22T23:59:59.999Z', '2026-11-16', '2026-11-01'],
  ['2026-11-23T00:00:00.000Z', '2026-11-23', '2026-11-01'],
  ['2026-12-01T00:00:00.000Z', '2026-11-30', '2026-12-01'],
  ['2027-01-03T12:00:00.000Z', '2026-12-28', '2027-01-01'],
] as const) {
  test(`at ${now} the week began on ${week} and the month on ${month}`, () => {
    const at = Date.parse(now)
    expect(periodStart('week', at)).toEqual(new Date(week))
    expect(periodStart('month', at)).toEqual(new Date(month))
    expect(periodStart('all', at).getTime()).toBe(0)
  })
}

test('a ranking of another class, period, week or of the school has another name', () => {
  const sunday = Date.parse('2026-11-22T23:00:00Z')
  const names = [
    boardName({ classId: 'a', period: 'week' }, sunday),
    boardName({ classId: 'a', period: 'week' }, sunday + 7_200_000),
    boardName({ classId: 'a', period: 'month' }, sunday),
    boardName({ classId: 'a', period: 'all' }, sunday),
    boardName({ classId: 'b', period: 'all' }, sunday),
    boardName({ classId: null, period: 'all' }, sunday),
  ]
  expect(new Set(names).size).toBe(names.length)
})
