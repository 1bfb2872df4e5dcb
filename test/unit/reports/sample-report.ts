import { createRandom } from '../../../shared/lib/maths/random.ts'
import type {
  ReportClass,
  ReportConfusion,
  ReportTest,
  TrainingReport,
} from '../../../shared/reports/types.ts'

/** A report whose parts agree with each other: confusions drawn by chance, the rest counted from them. */
export function sampleReport(
  labels: readonly string[],
  changes: Partial<TrainingReport> = {},
  rowsPerLabel = 40,
): TrainingReport {
  const test = sampleTest(labels, rowsPerLabel)
  const rows = labels.length * 130
  return {
    name: 'intent',
    created: '2026-03-01T12:00:00Z',
    dataset: {
      source: 'intents.csv',
      textColumn: 'text',
      labelColumn: 'label',
      multiLabel: false,
      rows,
      examples: rows,
      classCounts: labels.map((label, i) => ({ label, count: 100 + ((i * 37) % 61) })),
      warnings: [],
      sha256: '4f0c2a9e'.repeat(8),
    },
    split: {
      kind: 'stratified',
      source: null,
      trainRows: rows - test.rows,
      testRows: test.rows,
    },
    encoder: {
      model: 'all-minilm-l6-v2@v1',
      family: 'a1b2c3d4'.repeat(8),
      fingerprint: '0123abcd'.repeat(8),
      precision: 'int8',
    },
    labels,
    multiLabel: false,
    method: { name: 'softmax+knn', why: 'lowest cross-validated loss of the five that were tried' },
    candidates: [
      { name: 'softmax', accuracy: 0.908, nll: 0.331, parameters: { lambda: 0.0000215443469 } },
      { name: 'lda', accuracy: 0.904, nll: 0.352, parameters: { shrinkage: 0.31 } },
      { name: 'knn', accuracy: 0.912, nll: 0.402, parameters: { k: 10, temperature: 0.05 } },
      { name: 'softmax+lda', accuracy: 0.911, nll: 0.322, parameters: { share: 0.5 } },
      { name: 'softmax+knn', accuracy: 0.918, nll: 0.301, parameters: { k: 10, weight: 0.4 } },
    ],
    crossValidation: { accuracy: 0.918, nll: 0.301, ece: 0.011, fittedAccuracy: 0.968 },
    test,
    outOfDistribution: { threshold: 31.25, keepRate: 0.952 },
    champion: {
      model: 'intent@v3',
      accuracy: 0.897,
      macroF1: 0.893,
      difference: 0.0213,
      low: 0.0121,
      high: 0.0304,
    },
    sizes: { headBytes: 4_215_000, neighbourRows: 8002 },
    timings: [
      { stage: 'read', milliseconds: 84 },
      { stage: 'embed', milliseconds: 21_400 },
      { stage: 'fit', milliseconds: 12_700 },
      { stage: 'evaluate', milliseconds: 730 },
    ],
    seed: 42,
    command: 'espalier train intents.csv --name intent --method auto',
    ...changes,
  }
}

function sampleTest(labels: readonly string[], rowsPerLabel: number): ReportTest {
  const random = createRandom(7)
  const confusions = sampleConfusions(labels.length, rowsPerLabel, random.below)
  const perClass = labels.map((label, i) => countClass(label, i, confusions))
  const correct = confusions.reduce((sum, c) => sum + (c.actual === c.predicted ? c.count : 0), 0)
  const rows = labels.length * rowsPerLabel
  const accuracy = correct / rows
  return {
    rows,
    accuracy,
    interval: { low: accuracy - 0.011, high: Math.min(1, accuracy + 0.01) },
    macroF1: perClass.reduce((sum, { f1 }) => sum + (f1 ?? 0), 0) / perClass.length,
    ece: 0.0134,
    nll: 0.298,
    perClass,
    reliability: Array.from({ length: 10 }, (_, i) => ({
      low: i / 10,
      high: (i + 1) / 10,
      count: i < 2 ? 0 : Math.round(rows * [0, 0, 1, 2, 3, 4, 5, 7, 13, 65][i]! * 0.01),
      confidence: i < 2 ? null : (i + 0.55) / 10,
      accuracy: i < 2 ? null : Math.min(1, (i + 0.4 + ((i * 3) % 5) * 0.15) / 10),
    })),
    confusions,
    worstConfusions: confusions
      .filter(({ actual, predicted }) => actual !== predicted)
      .sort((a, b) => b.count - a.count)
      .slice(0, 8)
      .map(({ actual, predicted, count }, i) => ({
        actual: labels[actual]!,
        predicted: labels[predicted]!,
        count,
        examples: i < 3 ? ['Where is the thing that I asked for last week?'] : [],
      })),
  }
}

function sampleConfusions(
  labels: number,
  rowsPerLabel: number,
  below: (bound: number) => number,
): ReportConfusion[] {
  return Array.from({ length: labels }, (_, actual) => {
    const counts = new Map<number, number>()
    for (let row = 0; row < rowsPerLabel; row++) {
      const partner = (actual * 7 + 3) % labels
      const chance = below(100)
      const predicted = chance < 96 - (actual % 9) ? actual : chance < 98 ? partner : below(labels)
      counts.set(predicted, (counts.get(predicted) ?? 0) + 1)
    }
    return [...counts].map(([predicted, count]) => ({ actual, predicted, count }))
  }).flat()
}

function countClass(
  label: string,
  index: number,
  confusions: readonly ReportConfusion[],
): ReportClass {
  let [support, predicted, hits] = [0, 0, 0]
  for (const { actual, predicted: answer, count } of confusions) {
    if (actual === index) support += count
    if (answer === index) predicted += count
    if (actual === index && answer === index) hits += count
  }
  const precision = predicted > 0 ? hits / predicted : null
  const recall = support > 0 ? hits / support : null
  return { label, precision, recall, f1: (2 * hits) / (support + predicted), support }
}
