import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renderHtml } from '../../../shared/reports/render-html.ts'
import { STYLES } from '../../../shared/reports/styles.ts'
import type { ReportTest, TrainingReport } from '../../../shared/reports/types.ts'
import { checkXml, extractSvg } from './check-xml.ts'
import { sampleReport } from './sample-report.ts'

const numbered = (count: number, prefix = 'label'): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix} ${i}`)

const attack = `</text><script>alert("1")</script><img src=x onerror='alert(2)'>&\u0000\u202e]]>`

function withTest(report: TrainingReport, changes: Partial<ReportTest>): TrainingReport {
  return { ...report, test: { ...report.test!, ...changes } }
}

describe('the page', () => {
  const report = sampleReport(['billing', 'delivery', 'returns'])
  const page = renderHtml(report)

  test('is well-formed and shows the numbers', () => {
    checkXml(page)
    expect(page).toContain('<dd>99.2 %</dd>')
    expect(page).toContain('<dd>0.298</dd>')
    expect(page).toContain('4.2 MB')
    expect(page).toContain('+2.1 points of accuracy (95 % interval +1.2 to +3.0)')
    expect(page).toContain(report.dataset.sha256)
    expect(page).toContain('billing → returns: 1 of 40 (2.5 %)')
  })

  test('needs nothing from elsewhere and forbids it', () => {
    const styles = /<style>([\s\S]*)<\/style>/.exec(page)![1]!
    const hash = createHash('sha256').update(styles).digest('base64')
    expect(page).toContain(`default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;`)
    expect(page).not.toMatch(/<script|<link|<img|\son[a-z]+=|\sstyle=|\shref=|\ssrc=|url\(|@import/)
  })

  test('every chart has a title, a description and unique ids', () => {
    const charts = extractSvg(page)
    expect(charts).toHaveLength(4)
    for (const chart of charts) {
      expect(chart).toMatch(/role="img" aria-labelledby="[\w-]+-title [\w-]+-description"><title/)
    }
    const ids = Array.from(page.matchAll(/\sid="([^"]+)"/g), ([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(page.match(/<details>/g)).toHaveLength(3)
  })

  test('labels can be put in every order without a script', () => {
    const rows = Array.from(page.matchAll(/class="k(\d)"><th[^>]*><bdi>(\w+)/g), (m) => m[2])
    expect(rows).toEqual(['billing', 'returns', 'delivery'])
    expect(page).toContain('.k1{--p:0;--r:1;--s:1;--l:2}')
    expect(page).toContain('#by-p:checked~.scroll tbody tr{order:var(--p)}')
  })

  test('equal reports give equal bytes', () => {
    expect(renderHtml(sampleReport(['billing', 'delivery', 'returns']))).toBe(page)
  })
})

describe('the confusion matrix', () => {
  test('names all of 77 labels in one matrix', () => {
    const page = renderHtml(sampleReport(numbered(77)))
    const matrix = extractSvg(page).find((svg) => svg.includes('Confusion matrix'))!
    expect(matrix).toContain('Confusion matrix, 77 × 77')
    expect(matrix.match(/class="tick"/g)).toHaveLength(154)
    expect(page).not.toContain('id="worst-title"')
  })

  test('draws 150 labels as an overview and names the worst beside it', () => {
    const page = renderHtml(sampleReport(numbered(150)))
    expect(page).toContain('Confusion matrix, 150 × 150')
    expect(page).toContain('Confusion matrix, 37 × 37')
    expect(page).toContain('all other labels')
  })

  test('1,000 labels stay a small page, made quickly', () => {
    const report = sampleReport(numbered(1000, 'a label with quite a long name, number'))
    const page = renderHtml(report)
    checkXml(page)
    expect(page.length).toBeLessThan(2_000_000)
    expect(page).not.toContain('1,000 × 1,000')
  })

  test('a dense matrix and long labels stay bounded', () => {
    const labels = numbered(250, 'x'.repeat(10_000))
    const confusions = labels.flatMap((_, actual) =>
      labels.map((_, predicted) => ({ actual, predicted, count: 1 + (actual % 3) })),
    )
    const page = renderHtml(withTest(sampleReport(labels), { confusions }))
    expect(page.length).toBeLessThan(2_000_000)
    expect(page).toContain('small cells not drawn')
  })

  test('the rows of a cut matrix still add up', () => {
    const confusions = [
      { actual: 0, predicted: 0, count: 6 },
      { actual: 0, predicted: 1, count: 3 },
      { actual: 0, predicted: 299, count: 1 },
      { actual: 299, predicted: 299, count: 5 },
    ]
    const page = renderHtml(withTest(sampleReport(numbered(300)), { confusions }))
    expect(page).toContain('label 0 → label 1: 3 of 10 (30.0 %)')
    expect(page).toContain('label 0 → label 299: 1 of 10 (10.0 %)')
  })
})

describe('what users write', () => {
  test('is text wherever it stands', () => {
    const labels = [attack, 'b']
    const base = sampleReport(labels, {
      name: attack,
      command: attack,
      method: { name: attack, why: attack },
      candidates: [{ name: attack, accuracy: 0.5, nll: 1, parameters: { [attack]: attack } }],
      encoder: { model: attack, family: attack, fingerprint: attack, precision: attack },
      timings: [{ stage: attack, milliseconds: 4 }],
    })
    const worst = { actual: attack, predicted: 'b', count: 2, examples: [attack] }
    const page = renderHtml({
      ...withTest(base, { worstConfusions: [worst] }),
      dataset: {
        ...base.dataset,
        source: attack,
        warnings: [{ code: 'duplicates', count: 1, message: attack, examples: [attack] }],
      },
    })
    checkXml(page)
    expect(page).not.toContain('<script')
    expect(page).not.toContain('<img')
    for (const character of ['\u0000', '\u202e']) expect(page).not.toContain(character)
  })

  test('any labels and texts give a well-formed page', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 })
    const input = fc.record({ labels: fc.array(text, { maxLength: 20 }), name: text, why: text })
    fc.assert(
      fc.property(input, ({ labels, name, why }) => {
        const report = sampleReport(labels, { name, method: { name: 'softmax', why } }, 5)
        const page = renderHtml(report)
        checkXml(page)
        for (const svg of extractSvg(page)) checkXml(svg)
      }),
      { numRuns: 60, seed: 5 },
    )
  })
})

describe('cases at the edge', () => {
  test('several labels per text: no matrix, exact matches', () => {
    const report = sampleReport(['a', 'b', 'c'], { multiLabel: true })
    const page = renderHtml(withTest(report, { confusions: [], worstConfusions: [] }))
    checkXml(page)
    expect(page).toContain('Exact matches')
    expect(page).not.toContain('Confusion matrix')
  })

  test('nothing held out, nothing known', () => {
    const page = renderHtml(
      sampleReport(['a', 'b'], {
        test: null,
        champion: null,
        crossValidation: null,
        outOfDistribution: null,
        candidates: [],
        timings: [],
      }),
    )
    checkXml(page)
    expect(page).toContain('No rows were held out')
  })

  test('numbers that are not finite show as a dash', () => {
    const report = withTest(sampleReport(['a', 'b']), {
      accuracy: Number.NaN,
      nll: Infinity,
      ece: null,
      perClass: [{ label: 'a', precision: Number.NaN, recall: null, f1: null, support: 0 }],
    })
    const page = renderHtml(report)
    checkXml(page)
    expect(page).toContain('<dd>–</dd>')
    expect(page).not.toMatch(/NaN|Infinity|undefined/)
  })
})

test('the columns of labels fit a screen of 390 px beside the margins of page and section', () => {
  const [, narrow = ''] = STYLES.split('@media(max-width:36rem)')
  const [, label, share, rows] =
    /\.labels tr\{grid-template-columns:minmax\(([\d.]+)rem,1fr\) repeat\(3,([\d.]+)rem\) ([\d.]+)rem\}/
      .exec(narrow)!
      .map(Number) as [number, number, number, number]
  const [, page] = /main\{padding:[\d.]+rem ([\d.]+)rem/.exec(narrow)!.map(Number)
  const [, section] = /section\{padding:([\d.]+)rem\}/.exec(narrow)!.map(Number)
  const borders = 2
  const free = 390 - borders - 16 * 2 * (page! + section!)
  expect(16 * (label + 3 * share + rows)).toBeLessThanOrEqual(free)
})
