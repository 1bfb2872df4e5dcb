import { describe, expect, test } from 'vitest'
import { adviseOn, describeWarnings } from '../../../shared/reports/advice.ts'
import { layoutMatrix, OTHERS } from '../../../shared/reports/charts/matrix-layout.ts'
import { listFigures, listTiles, tellFigures } from '../../../shared/reports/figures.ts'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPoints,
  shorten,
} from '../../../shared/reports/format.ts'
import { toJson } from '../../../shared/reports/to-json.ts'
import type { ReportTest, TrainingReport } from '../../../shared/reports/types.ts'
import { sampleReport } from './sample-report.ts'

const many = Array.from({ length: 40 }, (_, i) => `label ${i}`)
const calm = sampleReport(many)

function advise(changes: Partial<TrainingReport>, test: Partial<ReportTest> = {}): string {
  return adviseOn({ ...calm, ...changes, test: { ...calm.test!, ...test } }).join('\n')
}

describe('the JSON form', () => {
  test('names its schema, keeps its order and every number finite', () => {
    const report: TrainingReport = {
      ...calm,
      test: { ...calm.test!, nll: Number.NaN, ece: Infinity, macroF1: -0 },
    }
    const shuffled = Object.fromEntries(
      Object.entries(report).reverse(),
    ) as unknown as TrainingReport
    expect(toJson(shuffled)).toBe(toJson(report))
    const read = JSON.parse(toJson(report))
    expect(Object.keys(read).slice(0, 3)).toEqual(['schema', 'name', 'created'])
    expect(read.schema).toBe(1)
    expect(read.test).toMatchObject({ nll: null, ece: null, macroF1: 0, rows: 1600 })
    expect(read.test.confusions).toEqual(calm.test!.confusions)
  })

  test('carries the whole report', () => {
    const { schema, ...read } = JSON.parse(toJson(calm))
    expect(schema).toBe(1)
    expect(read).toEqual(calm)
  })
})

describe('advice', () => {
  test('says nothing where all is well', () => {
    expect(adviseOn(calm)).toEqual([])
  })

  test('names tiny and uneven classes', () => {
    const classCounts = [
      { label: 'rare', count: 3 },
      { label: 'common', count: 900 },
    ]
    const text = advise({ dataset: { ...calm.dataset, classCounts } })
    expect(text).toContain('1 class has fewer than 8 examples (“rare”)')
    expect(text).toContain('300 times')
  })

  test('recommends balanced answers only where cross-validation says that they help', () => {
    const fit = { ...calm.crossValidation!, macroF1: 0.785 }
    const text = advise({ crossValidation: { ...fit, balancedMacroF1: 0.9 } })
    expect(text).toContain('macro-F1 78.5 % → 90.0 % cross-validated')
    expect(text).toContain('balance auto')
    expect(adviseOn({ ...calm, crossValidation: { ...fit, balancedMacroF1: 0.787 } })).toEqual([])
    expect(adviseOn({ ...calm, crossValidation: fit })).toEqual([])
  })

  test('speaks of calibration only where the rows allow it', () => {
    expect(advise({}, { ece: 0.12 })).toContain('Confidence is off by 12.0 %')
    const few = advise({}, { ece: 0.12, rows: 60 })
    expect(few).toContain('Only 60 test rows')
    expect(few).not.toContain('Confidence')
  })

  test('explains duplicates and contradictions', () => {
    const warnings = (['duplicates', 'contradictions'] as const).map((code) => ({
      code,
      count: 2,
      message: `2 rows: ${code}`,
      examples: [],
    }))
    const [duplicates, contradictions] = describeWarnings({ ...calm.dataset, warnings })
    expect(duplicates).toMatch(/^2 rows: duplicates\. Copies on both sides/)
    expect(contradictions).toMatch(/^2 rows: contradictions\. No head can learn both/)
  })

  test('tells a poor fit from a wide gap', () => {
    const fit = { accuracy: 0.7, nll: 1, ece: 0.02 }
    const poor = advise({ crossValidation: { ...fit, fittedAccuracy: 0.75 } }, { accuracy: 0.7 })
    expect(poor).toContain('Fine-tuning the encoder may help')
    const gap = advise({ crossValidation: { ...fit, fittedAccuracy: 0.97 } }, { accuracy: 0.7 })
    expect(gap).toContain('97.0 % on fitted rows and 70.0 % on held-out folds')
  })

  test('sees neighbours that win, drift, and labels that are never right', () => {
    const candidates = [
      { name: 'softmax', accuracy: 0.8, nll: 1, parameters: {} },
      { name: 'knn', accuracy: 0.85, nll: 1, parameters: {} },
    ]
    expect(advise({ candidates })).toContain('Neighbours decide better')
    expect(advise({}, { accuracy: 0.8 })).toContain('points below cross-validation')
    const perClass = [{ label: 'lost', precision: null, recall: 0, f1: 0, support: 9 }]
    expect(advise({}, { perClass })).toContain(
      '1 class is never predicted rightly on the test rows (“lost”)',
    )
  })

  test('names a pair that makes up much of the errors', () => {
    const confusions = [
      { actual: 1, predicted: 0, count: 6 },
      { actual: 0, predicted: 1, count: 6 },
      { actual: 2, predicted: 3, count: 8 },
    ]
    expect(advise({}, { confusions })).toContain(
      '“label 0” and “label 1” make up 60 % of all errors',
    )
  })
})

describe('advice that knows chance', () => {
  const interval = { low: 0.3, high: 0.7, method: 'clopper-pearson' }
  const gain = (low: number, high: number) => ({ difference: (low + high) / 2, low, high })
  const baseline = (name: string, accuracy: number, [low, high]: readonly [number, number]) => ({
    name,
    test: {
      accuracy,
      interval: { ...interval, low: accuracy - 0.05 },
      macroF1: accuracy,
      gain: gain(low, high),
    },
    repeated: null,
  })
  const foreign = [{ name: 'ncm', accuracy: 0.55, nll: 1, parameters: {} }]
  const poor = { accuracy: 0.55, nll: 1, ece: 0.02, fittedAccuracy: 0.7 }

  test('suggests fine-tuning only where the head beats the most frequent answer', () => {
    const changes = { candidates: foreign, crossValidation: poor }
    const learnt = { ...changes, baselines: [baseline('majority', 0.2, [0.2, 0.4])] }
    expect(advise(learnt, { accuracy: 0.55 })).toMatch(/Fine-tuning the encoder/)
    const chance = { ...changes, baselines: [baseline('majority', 0.5, [-0.05, 0.1])] }
    const text = advise(chance, { accuracy: 0.52 })
    expect(text).toContain('not clearly better than always giving the most frequent answer')
    expect(text).not.toMatch(/[Ff]ine-tuning/)
  })

  test('takes the folds for its measure where few rows were held out', () => {
    const few = {
      ...baseline('majority', 0.5, [-0.2, 0.3]),
      repeated: baseline('', 0.5, [0.2, 0.4]).test,
    }
    const text = advise(
      { baselines: [few], candidates: foreign, crossValidation: poor },
      { accuracy: 0.55 },
    )
    expect(text).toMatch(/Fine-tuning the encoder/)
  })

  test('says where counting words does better, if that is better than the most frequent answer', () => {
    const majority = baseline('majority', 0.2, [0.2, 0.4])
    const words = baseline('tf-idf', 0.8, [-0.3, -0.1])
    expect(advise({ baselines: [majority, words] })).toContain(
      'TF-IDF with logistic regression beats',
    )
    const chance = [baseline('majority', 0.79, [-0.3, -0.1]), words]
    expect(advise({ baselines: chance })).not.toContain('TF-IDF')
  })

  test('advises no fine-tuning where the encoder cannot read the texts', () => {
    const warnings = [
      { code: 'unknown_tokens', count: 9, message: 'unknown', examples: [] },
    ] as const
    const dataset = { ...calm.dataset, warnings }
    const text = advise({ candidates: foreign, crossValidation: poor, dataset }, { accuracy: 0.55 })
    expect(text).not.toMatch(/[Ff]ine-tuning/)
  })

  test('never tells to merge the only two labels', () => {
    const two = sampleReport(['yes', 'no'])
    const confusions = [{ actual: 0, predicted: 1, count: 9 }]
    const text = adviseOn({ ...two, test: { ...two.test!, confusions } }).join('\n')
    expect(text).not.toContain('merge')
  })

  test('says what few test rows cannot tell, and how many could', () => {
    const text = advise(
      {},
      {
        rows: 3,
        accuracy: 1,
        interval: { ...interval, low: 0.292, high: 1 },
        rowsForFivePoints: 72,
      },
    )
    expect(text).toContain(
      'Only 3 test rows: alone they leave the accuracy between 29.2 % and 100.0 %',
    )
    expect(text).toContain('About 72 test rows')
  })
})

describe('figures', () => {
  const repeated = {
    ...{ repeats: 10, folds: 5, rows: 16, accuracy: 0.94, macroF1: 0.93, microF1: 0.94 },
    ...{ interval: { low: 0.71, high: 1, method: 'nadeau-bengio' }, rowsForFivePoints: 99 },
  }

  test('of repeated cross-validation lead where few rows were held out', () => {
    const report = { ...calm, repeatedCrossValidation: repeated }
    const [first] = listFigures(report)
    expect(first).toEqual([
      'Accuracy, 5-fold cross-validation, 10 times',
      '94.0 % (71.0 % to 100.0 %)',
    ])
    expect(tellFigures(report)[0]).toMatch(
      /^accuracy 94\.0 % .* cross-validated 10 times on 16 rows$/,
    )
    expect(listTiles(report)[0]).toMatchObject({ term: 'Accuracy, cross-validated' })
  })

  test('of several labels a text are exact matches, macro-F1 and micro-F1, out of fold and on the test', () => {
    const crossValidation = {
      accuracy: 0.4,
      macroF1: 0.7,
      microF1: 0.8,
      nll: 1,
      ece: 0.1,
      fittedAccuracy: 0.5,
    }
    const test = { ...calm.test!, accuracy: 0.41, microF1: 0.79 }
    const figures = new Map(listFigures({ ...calm, multiLabel: true, crossValidation, test }))
    expect(figures.get('Exact matches, cross-validated')).toBe('40.0 %')
    expect(figures.get('Micro-F1')).toBe('79.0 %')
    expect(figures.get('Micro-F1, cross-validated')).toBe('80.0 %')
    expect(figures.get('Macro-F1, cross-validated')).toBe('70.0 %')
  })
})

describe('the matrix layout', () => {
  test('puts labels that are confused side by side and ignores impossible counts', () => {
    const confusions = [
      { actual: 2, predicted: 17, count: 9 },
      { actual: 17, predicted: 17, count: 1 },
      { actual: 99, predicted: -1, count: 5 },
      { actual: 3, predicted: 4, count: Number.NaN },
    ]
    const { classes, cells } = layoutMatrix(20, confusions, 20)
    expect(classes.slice(0, 2)).toEqual([2, 17])
    expect([...classes].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(cells).toEqual([
      { row: 1, column: 1, count: 1, of: 1, share: 1 },
      { row: 0, column: 1, count: 9, of: 9, share: 1 },
    ])
  })

  test('gathers the labels that it leaves out', () => {
    const confusions = [
      { actual: 0, predicted: 1, count: 5 },
      { actual: 0, predicted: 7, count: 1 },
      { actual: 7, predicted: 8, count: 1 },
    ]
    const { classes, cells } = layoutMatrix(30, confusions, 2)
    expect(classes).toEqual([0, 1, OTHERS])
    expect(cells).toEqual([
      { row: 0, column: 1, count: 5, of: 6, share: 5 / 6 },
      { row: 0, column: 2, count: 1, of: 6, share: 1 / 6 },
    ])
  })
})

test('numbers for people', () => {
  expect(formatCount(10_003)).toBe('10,003')
  expect(formatPoints(-0.0004)).toBe('0.0')
  expect(formatPoints(-0.0213)).toBe('−2.1')
  expect([999, 1_500, 4_215_000].map(formatBytes)).toEqual(['999 B', '1.5 KB', '4.2 MB'])
  expect([730, 12_340, 125_000].map(formatDuration)).toEqual(['730 ms', '12.3 s', '2 min 5 s'])
  expect(shorten('😀😀😀😀', 3)).toBe('😀😀…')
  expect(shorten('😀😀😀', 3)).toBe('😀😀😀')
})
