import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { SCORE_EDGES } from '../../../shared/drift/answer-counts.ts'
import type { ApiDeps } from '../types.ts'

type Watch = ApiDeps['watch']
type VersionAnswers = ReturnType<Watch['list']>[number]

/** What classifiers answered, by version, and whether it has drifted; read when somebody asks. */
export function addAnswerMetrics(registry: Registry, watch: Watch): void {
  const registers = [registry]
  new Counter({
    name: 'espalier_predictions_total',
    help: 'Labels given, by version: each of several for one input counts. The labels beyond the first 200 of a head are counted as other.',
    labelNames: ['model', 'label'],
    registers,
    collect() {
      this.reset()
      for (const { model, labels } of watch.list()) {
        for (const [label, count] of labels) this.inc({ model, label }, count)
      }
    },
  })
  new Counter({
    name: 'espalier_predictions_out_of_distribution_total',
    help: 'Inputs unlike the training data, by version; those without a detector have no such series.',
    labelNames: ['model'],
    registers,
    collect() {
      this.reset()
      for (const { model, counts } of watch.list()) {
        if (counts.judged > 0) this.inc({ model }, counts.judged - counts.inside)
      }
    },
  })
  new ScoreHistogram(watch, registers)
  addDriftMetrics(registers, watch)
}

const NAMED = {
  name: 'espalier_prediction_score',
  help: 'Best score of each input, by version; its count is that of the inputs answered.',
} as const

/** Best scores from the counts that are there; prom-client would count each of them once more. */
class ScoreHistogram extends Histogram<'model'> {
  readonly #watch: Watch

  constructor(watch: Watch, registers: Registry[]) {
    const help = 'Best score of each input, by version; its count is that of the inputs answered.'
    const labelNames = ['model'] as const
    super({
      name: 'espalier_prediction_score',
      help,
      labelNames,
      buckets: [...SCORE_EDGES],
      registers,
    })
    this.#watch = watch
  }

  /** What prom-client writes both its formats from. */
  async getForPromString() {
    return {
      ...NAMED,
      type: 'histogram',
      aggregator: 'sum',
      values: this.#values(),
    }
  }

  #values() {
    return this.#watch.list().flatMap(({ model, counts }) => {
      let below = 0
      const buckets = counts.scores.map((count, bin) => {
        below += count
        const le = SCORE_EDGES[bin] ?? '+Inf'
        return sampleOf('bucket', { le, model }, below)
      })
      return [
        ...buckets,
        sampleOf('sum', { model }, counts.scoreSum),
        sampleOf('count', { model }, counts.answers),
      ]
    })
  }
}

function sampleOf(part: string, labels: Record<string, string | number>, value: number) {
  return { metricName: `${NAMED.name}_${part}`, labels, value }
}

function addDriftMetrics(registers: Registry[], watch: Watch): void {
  const counter = (
    name: string,
    help: string,
    read: (drift: NonNullable<VersionAnswers['drift']>) => number,
  ) =>
    new Counter({
      name,
      help,
      labelNames: ['model'],
      registers,
      collect() {
        this.reset()
        for (const { model, drift } of watch.list()) if (drift) this.inc({ model }, read(drift))
      },
    })
  counter('espalier_drift_windows_total', 'Windows of answers tested for drift.', (d) => d.windows)
  counter(
    'espalier_drift_alarms_total',
    'Windows in which scores or like inputs had drifted.',
    (d) => d.alarms,
  )
  new Gauge({
    name: 'espalier_drift_window_answers',
    help: 'Answers in the window that is being filled.',
    labelNames: ['model'],
    registers,
    collect() {
      this.reset()
      for (const { model, drift } of watch.list()) if (drift) this.set({ model }, drift.answers)
    },
  })
  const ofLast = (name: string, help: string, read: (test: LastTest) => number | null) =>
    new Gauge({
      name,
      help,
      labelNames: ['model', 'test'],
      registers,
      collect() {
        this.reset()
        for (const { model, drift } of watch.list()) {
          for (const [test, result] of lastTests(drift)) {
            const value = read(result)
            if (value !== null) this.set({ model, test }, value)
          }
        }
      },
    })
  ofLast(
    'espalier_drift_p_value',
    'How likely the last window is where nothing has drifted, by test: scores, in_distribution, labels.',
    ({ pValue }) => pValue,
  )
  ofLast('espalier_drifted', 'Whether the last window had drifted, by test.', (test) =>
    test.pValue === null ? null : Number(test.drifted),
  )
}

type LastResult = NonNullable<NonNullable<VersionAnswers['drift']>['last']>
type LastTest = LastResult['scores']

function lastTests(drift: VersionAnswers['drift']): [string, LastTest][] {
  if (!drift?.last) return []
  const { scores, inDistribution, labels } = drift.last
  return [
    ['scores', scores],
    ['in_distribution', inDistribution],
    ['labels', labels],
  ]
}
