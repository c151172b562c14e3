import { Counter, Gauge, Registry } from 'prom-client'
import { familiesOf, type Family, type Snapshot } from './metric-families.ts'
import type { ServiceName } from './service-name.ts'

/** Registers the family, and answers how to fill it. */
function register(registry: Registry, { name, help, labelNames, read }: Family): (now: Snapshot) => void {
  const configuration = { name, help, labelNames: [...labelNames], registers: [registry] }
  const metric = name.endsWith('_total') ? new Counter(configuration) : new Gauge(configuration)
  return (now) => {
    metric.reset()
    for (const { value, labels = {} } of read(now)) metric.inc(labels, value)
  }
}

/** What the manager exports by itself. Cache and database have registries of their own. */
export function createManagerExporter(names: readonly ServiceName[]): (now: Snapshot) => Promise<string> {
  const registry = new Registry()
  const fill = familiesOf(names).map((family) => register(registry, family))
  return async (now) => {
    for (const one of fill) one(now)
    return registry.metrics()
  }
}
