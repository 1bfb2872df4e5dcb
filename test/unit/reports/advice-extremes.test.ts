import { describe, expect, test } from 'vitest'
import { adviseOn } from '../../../shared/reports/advice.ts'
import { renderMarkdown } from '../../../shared/reports/render-markdown.ts'
import type { ReportTest, TrainingReport } from '../../../shared/reports/types.ts'
import { sampleReport } from './sample-report.ts'

const advise = (report: TrainingReport): string => adviseOn(report).join('\n')

function withTest(changes: Partial<ReportTest>, labels = ['a', 'b', 'c'], more = {}) {
  const plain = sampleReport(labels, more)
  return { ...plain, test: { ...plain.test!, ...changes } }
}

describe('advice at the extremes', () => {
  test('one wrong test row is no difference from the training rows, nor a class that is never right', () => {
    const said = advise(
      withTest({
        ...{ rows: 1, accuracy: 0, interval: { low: 0, high: 0.975 } },
        perClass: [{ label: 'a', precision: 0, recall: 0, f1: 0, support: 1 }],
      }),
    )
    expect(said).toContain('Only 1 test row: alone it leaves the accuracy between 0.0 % and 97.5 %')
    expect(said).not.toMatch(/below cross-validation|never predicted/)
    const many = withTest({ rows: 400, accuracy: 0, interval: { low: 0, high: 0.01 } })
    expect(advise(many)).toContain('91.8 points below cross-validation')
  })

  test('a pair is named where chance makes so many errors seldom, and never of two labels', () => {
    const confusions = [
      { actual: 0, predicted: 1, count: 5 },
      { actual: 1, predicted: 2, count: 5 },
      { actual: 2, predicted: 0, count: 5 },
    ]
    const pair = { first: 'a', second: 'b', forth: 5, back: 0, of: 80, lines: [] }
    const byChance = withTest({ confusions, confusedPairs: [{ ...pair, pValue: 0.9 }] })
    expect(advise(byChance)).not.toContain('of all errors')
    const clear = withTest({ confusions, confusedPairs: [{ ...pair, pValue: 0.001 }] })
    expect(advise(clear)).toContain('“a” and “b” make up 33 % of all errors')
    const two = withTest({ confusions: confusions.slice(0, 1) }, ['a', 'b'])
    expect(advise(two)).not.toContain('of all errors')
  })

  test('confidence is off only where a calibrated head would not show as much', () => {
    const eceInterval = { low: 0, high: 0.2, method: 'reversed-bootstrap' }
    expect(advise(withTest({ rows: 250, ece: 0.08, eceInterval }))).not.toContain(
      'Confidence is off',
    )
    const off = { ...eceInterval, low: 0.02 }
    expect(advise(withTest({ rows: 250, ece: 0.08, eceInterval: off }))).toContain(
      'Confidence is off',
    )
  })

  test('one far row of ten says nothing of the threshold', () => {
    const kept = (rows: number, keepRate: number) =>
      advise(withTest({ rows }, undefined, { outOfDistribution: { threshold: 1, keepRate } }))
    expect(kept(10, 0.9)).not.toContain('keeps only')
    expect(kept(400, 0.9)).toContain('keeps only 90.0 % of the test texts')
  })

  test('without test rows cross-validation is what there is', () => {
    const none = { test: null, champion: null } as const
    expect(advise(sampleReport(['a', 'b'], none))).toContain('cross-validation alone says')
    const nothing = sampleReport(['a', 'b'], { ...none, crossValidation: null })
    expect(advise(nothing)).toContain('nothing here says how the head does')
  })

  test('what is left out is said: TF-IDF of very many labels', () => {
    const gain = { difference: 0.8, low: 0.7, high: 0.9, method: 'exact-paired' }
    const figures = { accuracy: 0.1, interval: null, macroF1: 0.1, gain }
    const baselines = [{ name: 'majority', test: figures, repeated: null }]
    expect(renderMarkdown(sampleReport(['a', 'b'], { baselines }))).toContain('TF-IDF is left out')
    const words = [...baselines, { name: 'tf-idf', test: figures, repeated: null }]
    const both = renderMarkdown(sampleReport(['a', 'b'], { baselines: words }))
    expect(both).not.toContain('left out')
  })
})
