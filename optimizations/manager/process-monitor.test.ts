import { expect, test } from '@playwright/test'
import { startProcessMonitor } from './process-monitor.ts'

function blockFor(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('a blocked event loop shows in the delay and in the utilization', async () => {
  using monitor = startProcessMonitor()
  await expect
    .poll(() => {
      blockFor(60)
      return monitor.snapshot().eventLoopDelay.maxMs
    })
    .toBeGreaterThan(30)
  const { eventLoopDelay, eventLoopUtilization } = monitor.snapshot()
  expect(eventLoopDelay.p99Ms).toBeGreaterThanOrEqual(eventLoopDelay.p50Ms)
  expect(eventLoopUtilization).toBeGreaterThan(0)
  expect(eventLoopUtilization).toBeLessThanOrEqual(1)
})

test('garbage that is collected is counted, with the time it took', async () => {
  using monitor = startProcessMonitor()
  await expect
    .poll(() => {
      const garbage = Array.from({ length: 200_000 }, (_, at) => ({ at }))
      return garbage.length > 0 && monitor.snapshot().gc.minor.count
    })
    .toBeGreaterThan(0)
  expect(monitor.snapshot().gc.minor.totalMs).toBeGreaterThan(0)
})

test('a snapshot is of its moment', () => {
  using monitor = startProcessMonitor()
  const { gc, memory, cpuSec, uptimeSec, eventLoopDelay } = monitor.snapshot()
  expect(memory.rssBytes).toBeGreaterThan(memory.heapUsedBytes)
  expect(cpuSec).toBeGreaterThan(0)
  expect(uptimeSec).toBeGreaterThan(0)
  expect(eventLoopDelay.meanMs).toBeGreaterThanOrEqual(0)
  expect(gc).not.toBe(monitor.snapshot().gc)
})
