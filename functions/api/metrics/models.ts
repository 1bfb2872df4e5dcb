import { Counter, Gauge, type Registry } from 'prom-client'
import type { ApiDeps } from '../types.ts'

/** What `stats` of the classifiers says, read when somebody asks. */
export function addHeadMetrics(registry: Registry, classifiers: ApiDeps['classifiers']): void {
  const registers = [registry]
  const counters = [
    ['loaded', 'Heads loaded.'],
    ['evicted', 'Heads evicted because others needed their memory.'],
    ['refused', 'New versions refused; the old ones kept serving.'],
  ] as const
  for (const [key, help] of counters) {
    new Counter({
      name: `espalier_heads_${key}_total`,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(classifiers.stats()[key])
      },
    })
  }
  new Gauge({
    name: 'espalier_heads_bytes',
    help: 'Memory that loaded heads take.',
    registers,
    collect() {
      this.set(classifiers.stats().bytes)
    },
  })
}

/** What shadows said, by model; read when somebody asks. */
export function addShadowMetrics(registry: Registry, classifiers: ApiDeps['classifiers']): void {
  const registers = [registry]
  const counter = <L extends string>(
    name: string,
    help: string,
    label: L,
    read: (
      totals: ReturnType<typeof classifiers.stats>['shadows'][number],
    ) => Record<string, number>,
  ) =>
    new Counter({
      name,
      help,
      labelNames: ['model', label] as const,
      registers,
      collect() {
        this.reset()
        for (const totals of classifiers.stats().shadows) {
          for (const [value, count] of Object.entries(read(totals))) {
            this.labels(totals.model, value).inc(count)
          }
        }
      },
    })
  counter(
    'espalier_shadow_inputs_total',
    'Inputs that a shadow scored beside the answer: with the same label, or another.',
    'result',
    ({ agreed, disagreed }) => ({ agreed, disagreed }),
  )
  counter(
    'espalier_shadow_score_shift_total',
    'Sum of the differences between the score of a shadow and that of the answer, upwards and downwards.',
    'direction',
    ({ up, down }) => ({ up, down }),
  )
  counter(
    'espalier_shadow_skipped_requests_total',
    'Sampled requests that a shadow did not score, by reason: others waited, too much under way, loading, failed.',
    'reason',
    ({ skipped }) => ({ ...skipped }),
  )
}

/** How the process stands with what its keys are read from; read when somebody asks. */
export function addKeyMetrics(registry: Registry, keys: NonNullable<ApiDeps['keys']>): void {
  const registers = [registry]
  new Counter({
    name: 'espalier_api_keys_refresh_failures_total',
    help: 'Times that API keys could not be read anew; the last ones held.',
    registers,
    collect() {
      this.reset()
      this.inc(keys.status().failures)
    },
  })
  new Gauge({
    name: 'espalier_api_keys_age_seconds',
    help: 'Time since API keys were last read as a whole.',
    registers,
    collect() {
      this.set(keys.status().ageMs / 1000)
    },
  })
}

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
    'espalier_models_degraded',
    'Models and versions that cannot be read or loaded while all others answer; /readyz names them.',
    () => classifiers.degraded().length,
  )
  gauge(
    'espalier_registry_age_seconds',
    'Time since the last look at the registry that succeeded; -1 before the first.',
    () => (registryStatus().successAgeMs ?? -1000) / 1000,
  )
}
