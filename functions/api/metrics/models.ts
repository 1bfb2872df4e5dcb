import { Counter, type Registry } from 'prom-client'
import type { ApiDeps } from '../types.ts'

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
