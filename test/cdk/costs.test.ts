import { describe, expect, it } from 'vitest'
import { ALARM_METRICS } from '../../shared/deployment/costs.ts'
import { EVERYTHING, ofType, SMALLEST, type Synthesis, synthesize } from './synthesize.ts'

/** Metrics that the alarms of a stack are charged for. */
function alarmMetrics(synthesis: Synthesis, stack: string): number {
  const counts = ofType(synthesis, stack, 'AWS::CloudWatch::Alarm').map(({ Properties }) => {
    const queries = Properties?.Metrics as readonly { MetricStat?: unknown }[] | undefined
    return queries?.filter(({ MetricStat }) => MetricStat !== undefined).length ?? 1
  })
  return counts.reduce((sum, count) => sum + count, 0)
}

describe('the metrics of alarms that are counted as costs', () => {
  const { ops, cpu, gpu, gpuQuiet } = ALARM_METRICS

  it('are those of the templates, with a GPU that sleeps', () => {
    const made = synthesize(EVERYTHING)
    expect(alarmMetrics(made, 'EspalierCpuApi')).toBe(cpu)
    expect(alarmMetrics(made, 'EspalierGpuApi')).toBe(gpu + gpuQuiet)
    const watched = ops.cpu + ops.gpu + ops.gpuQuiet + ops.train + ops.bulk
    expect(alarmMetrics(made, 'EspalierOps')).toBe(watched)
  })

  it('are those of the templates, with events of models', () => {
    const made = synthesize({ ...SMALLEST, stacks: 'store,cpu,ops', events: 'true' })
    expect(alarmMetrics(made, 'EspalierOps')).toBe(ops.cpu + ops.events)
    expect(alarmMetrics(made, 'EspalierModelStore')).toBe(0)
  })

  it('are those of the templates, with one that never does', () => {
    const made = synthesize({ ...EVERYTHING, 'gpu.idle': 'never' })
    expect(alarmMetrics(made, 'EspalierGpuApi')).toBe(gpu)
    expect(alarmMetrics(made, 'EspalierOps')).toBe(ops.cpu + ops.gpu + ops.train + ops.bulk)
  })
})
