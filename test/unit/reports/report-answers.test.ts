import { describe, expect, test } from 'vitest'
import type {
  ReportConfusedPair,
  ReportLearningCurve,
  ReportOutOfFold,
} from '../../../shared/reports/figure-types.ts'
import { renderHtml } from '../../../shared/reports/render-html.ts'
import { renderMarkdown } from '../../../shared/reports/render-markdown.ts'
import { toJsonValue } from '../../../shared/reports/to-json.ts'
import type { TrainingReport } from '../../../shared/reports/types.ts'
import { checkXml, extractSvg } from './check-xml.ts'
import { sampleReport } from './sample-report.ts'

const exact = (low: number, high: number) => ({ low, high, method: 'clopper-pearson' })
const point = (rows: number, accuracy: number, words: number | null) => ({
  ...{ rows, draws: 1 },
  head: { accuracy, interval: exact(accuracy - 0.01, accuracy + 0.01) },
  tfIdf: words === null ? null : { accuracy: words, interval: exact(words - 0.01, words + 0.01) },
})
const curve: ReportLearningCurve = {
  ...{ on: 'test', rows: 1_000 },
  points: [point(625, 0.841, 0.7), point(1_250, 0.885, null), point(2_500, 0.908, 0.848)],
  forecast: { rows: 5_000, gain: 0.0123, low: 0.004, high: 0.02 },
}
const risk = {
  points: [0.05, 0.2, 0.6, 1].map((coverage) => ({
    ...{ coverage, risk: coverage / 20, confidence: 1 - coverage / 2 },
    ...{ low: 0, high: coverage / 10 },
  })),
  ...{ area: 0.0123, bestArea: 0.0021 },
  atRisk: [
    { risk: 0.01, coverage: 0, confidence: null, low: 0, high: 1 },
    { risk: 0.05, coverage: 0.6, confidence: 0.7, low: 0.011, high: 0.08 },
  ],
}
const pair = (changes: Partial<ReportConfusedPair> = {}): ReportConfusedPair => ({
  ...{ first: 'a', second: 'b', forth: 4, back: 2, of: 80, pValue: 0.001 },
  lines: [7, 3, 12, 9, 44, 2],
  ...changes,
})

function reportWith(changes: Partial<TrainingReport> = {}, labels = ['a', 'b', 'c']) {
  const plain = sampleReport(labels)
  const test = {
    ...plain.test!,
    eceInterval: { low: 0, high: 0.0321, method: 'reversed-bootstrap' },
    eceByChance: 0.0111,
    riskCoverage: risk,
    confusedPairs: [pair(), pair({ second: 'c', forth: 1, back: 0, pValue: 1, lines: [5] })],
  }
  const cost = {
    ...{ headMicroseconds: 5, encoderMilliseconds: 1.5, neighbourBytes: 3_000_000 },
    dimension: 384,
  }
  return { ...plain, test, learningCurve: curve, cost, ...changes }
}

/** What stands in the page as text, tables as rows of cells. */
const textOf = (page: string) => page.replace(/<style>.*?<\/style>/s, '').replace(/<[^>]+>/g, ' ')

describe('the learning curve', () => {
  test('is drawn with its floor and told in sentences', () => {
    const page = renderHtml(reportWith())
    checkXml(page)
    const chart = extractSvg(page).find((svg) => svg.includes('>Learning curve<'))!
    expect(chart.match(/class="line series-\d" d=/g)).toEqual([
      'class="line series-0" d=',
      'class="line series-2" d=',
    ])
    expect(chart.match(/class="band/g)).toHaveLength(2)
    for (const told of ['625', '1,250', '2,500']) expect(chart).toContain(`>${told}<`)
    const markdown = renderMarkdown(reportWith())
    const text = textOf(page).replace(/\s+/g, ' ')
    expect(text).toContain('Twice the rows, 5,000, are likely to bring +1.2 points (0.4 to 2.0)')
    expect(text).toContain(
      'worth most where rows are few: over TF-IDF, which knows no other texts, the head gains +14.1 points at 625 rows and +6.0 points at 2,500 rows.',
    )
    expect(text).toContain('measured on the 1,000 test rows')
    const split = { ...reportWith().split, testRows: 5_000 }
    expect(renderMarkdown(reportWith({ split }))).toContain('measured on 1,000 of the test rows')
    expect(markdown).toContain('|         625 |   84.1 % | 83.1 % to 85.1 % | 70.0 % |')
  })

  test('claims nothing of pretraining where intervals overlap, nor of rows without a law', () => {
    const near = { ...curve, forecast: null, points: [point(50, 0.8, 0.79), point(100, 0.9, 0.9)] }
    const markdown = renderMarkdown(reportWith({ learningCurve: near }))
    expect(markdown).not.toContain('worth most')
    expect(markdown).toContain('the head gains +1.0 points at 50 rows and 0.0 points at 100 rows.')
    expect(markdown).toContain('So few sizes do not say what further rows would bring.')
  })
})

describe('answering only when sure', () => {
  test('shows the curve from a tenth of the rows on, its area and what can be answered', () => {
    const page = renderHtml(reportWith())
    const chart = extractSvg(page).find((svg) => svg.includes('>Risk and coverage<'))!
    expect(chart.match(/<circle/g)).toHaveLength(3)
    const text = textOf(page).replace(/\s+/g, ' ')
    expect(text).toContain('(AURC) is 1.23 %; 0.21 % is the least')
    expect(text).toContain('1 % none')
    expect(text).toContain('5 % 60.0 % 0.700 1.1 % to 8.0 %')
  })
})

describe('confused pairs', () => {
  test('stand with the lines behind them, and with what chance would make', () => {
    const markdown = renderMarkdown(reportWith())
    expect(markdown).toMatch(/\| a ↔ b +\| +6 \| +7\.5 % \| +yes \| +7, 3, 12, 9, 44, 2 \|/)
    expect(markdown).toMatch(/\| a → c +\| +1 \| +1\.3 % \| +not clearly \| +5 \|/)
    expect(markdown).toContain('Lines are those of intents.csv')
    expect(markdown).not.toContain('## Worst confusions\n\n- `a` taken for `b`: 4')
  })

  test('say nothing of chance for two labels, and of lines where there are none', () => {
    const plain = reportWith({}, ['a', 'b'])
    const confusedPairs = [pair({ lines: [], pValue: 1 })]
    const markdown = renderMarkdown({ ...plain, test: { ...plain.test!, confusedPairs } })
    expect(markdown).toMatch(/\| a ↔ b +\|/)
    expect(markdown).not.toMatch(/chance”|More than chance|Lines/)
  })

  test('are those of the folds, too, where few rows were tested, each with its file', () => {
    const { reliability } = sampleReport(['a', 'b', 'c']).test!
    const outOfFold: ReportOutOfFold = {
      ...{ rows: 134, accuracy: 0.9, ece: 0.04, reliability, riskCoverage: risk },
      eceInterval: { low: 0.01, high: 0.07, method: 'reversed-bootstrap' },
      eceByChance: 0.03,
      confusedPairs: [pair({ lines: [99] })],
    }
    const split = { ...reportWith().split, source: 'test.csv', kind: 'file' as const }
    const report = reportWith({ outOfFold, split })
    const page = renderHtml(report)
    checkXml(page)
    expect(page.match(/Reliability diagram, (?:test|held-out) rows/g)).toHaveLength(2)
    const ids = Array.from(page.matchAll(/\sid="([^"]+)"/g), ([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const markdown = renderMarkdown(report)
    expect(markdown).toMatch(/\| a ↔ b +\| held-out rows \| +6 \|.* 99, … \|/)
    expect(markdown).toContain(
      'of held-out rows are those of intents.csv, those of test rows of test.csv',
    )
    expect(markdown).toContain('on 134 training rows that the folds held out')
    expect(markdown).toContain('(95 % interval 1.0 % to 7.0 %)')
    expect(Object.keys(toJsonValue(report))).toContain('outOfFold')
  })

  test('cannot be broken by labels', () => {
    const attack = '</td><script>alert(1)</script>|`'
    const plain = reportWith()
    const confusedPairs = [pair({ first: attack })]
    const report = { ...plain, test: { ...plain.test!, confusedPairs } }
    const page = renderHtml(report)
    checkXml(page)
    expect(page).not.toContain('<script')
    const row = renderMarkdown(report)
      .split('\n')
      .find((line) => line.includes('alert'))!
    expect(row.match(/(?<!\\)\|/g)).toHaveLength(6)
  })
})

test('what the head takes stands with what it means', () => {
  const text = textOf(renderHtml(reportWith())).replace(/\s+/g, ' ')
  expect(text).toContain('The encoder takes 300 times as long for a text as the head')
  expect(text).toContain('of these the neighbours 3.0 MB, 8,002 rows')
  expect(text).toContain('Head, a row 5.0 µs')
  expect(text).toContain('Training, all stages 34.9 s')
})

describe('on paper and in the dark', () => {
  const page = renderHtml(reportWith())
  const [, print = ''] = page.split('@media print{')

  test('paper takes the light colours again, and nothing is cut off', () => {
    const dark = /@media\(prefers-color-scheme:dark\)\{:root\{([^}]*)\}/.exec(page)![1]!
    const names = Array.from(dark.matchAll(/(--[\w]+):/g), ([, name]) => name!)
    expect(names.length).toBeGreaterThan(10)
    for (const name of names) expect(print).toContain(`${name}:`)
    expect(print).toContain('--ink:#000')
    expect(print).toMatch(/\.scroll,figure\{max-height:none;overflow:visible\}/)
    expect(print).toMatch(/svg,\.wide svg\{max-width:100%/)
  })

  test('charts have no colour of their own', () => {
    for (const svg of extractSvg(page)) expect(svg).not.toMatch(/(?:fill|stroke)="#|style=/)
  })
})

test('150 labels with all that there is make a page of some hundred kilobytes', () => {
  const labels = Array.from({ length: 150 }, (_, i) => `label number ${i}`)
  const report = reportWith({}, labels)
  expect(Buffer.byteLength(renderHtml(report))).toBeLessThan(300_000)
})

test('several labels a row are told as decisions', () => {
  const markdown = renderMarkdown({ ...reportWith(), multiLabel: true })
  const { labels, test: tested } = reportWith()
  const decisions = (labels.length * tested!.rows).toLocaleString('en')
  expect(markdown).toContain(`Every label is decided for itself: ${decisions} decisions on`)
  checkXml(renderHtml({ ...reportWith(), multiLabel: true }))
})
