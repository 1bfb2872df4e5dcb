import { Gauge, type Registry } from 'prom-client'
import type { ApiDeps } from './types.ts'

/** How the process stands with its registry; read when somebody asks. */
export function addRegistryMetrics(registry: Registry, classifiers: ApiDeps['classifiers']): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  const { registryStatus } = classifiers
  gauge(
    'espalier_registry_up',
    'Whether the last look at the registry succeeded: 0 where what is loaded serves on without it.',
    () => Number(registryStatus().status === 'up'),
  )
  gauge(
    'espalier_registry_offline',
    'Whether the registry was never read since the start, so that the cache serves.',
    () => Number(registryStatus().status === 'offline'),
  )
  gauge(
    'espalier_registry_age_seconds',
    'Time since the last look at the registry that succeeded; -1 before the first.',
    () => (registryStatus().successAgeMs ?? -1000) / 1000,
  )
}
