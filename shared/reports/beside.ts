import { drawCurves } from './charts/curve-chart.ts'
import { toCodeSpan } from './escape.ts'
import { listFigures, tellRange } from './figures.ts'
import { formatCount, formatDate, formatPercent, formatPoints, shorten } from './format.ts'
import { type Child, element } from './markup.ts'
import { renderPage } from './page.ts'
import { type PlainContent, renderPlain, showPlain } from './sections/plain.ts'
import type { TrainingReport } from './types.ts'

/** Two reports; each is named as it is published. */
type Two = readonly [TrainingReport, TrainingReport]

interface Part {
  readonly title: string
  readonly content: PlainContent
  readonly chart?: Child
}

const MAX_ROWS = 50
const MAX_LABEL = 60
const MAX_NAMED = 10

/**
 * Two reports side by side, as one HTML file and as Markdown: figures with their intervals, labels, confusions and learning
 * curves. Figures are those that each report has; nothing is compared row by row.
 */
export function renderBeside(two: Two): { readonly html: string; readonly markdown: string } {
  const parts = [
    tellFigures(two),
    tellOrigins(two),
    tellLabels(two),
    tellConfusions(two),
    tellCurves(two),
  ]
  const known = parts.filter((part) => part !== null)
  const [one, other] = two.map(nameOf) as [string, string]
  return {
    html: renderPage({
      title: `${one} beside ${other}`,
      heading: `${one} beside ${other}`,
      told: 'What the reports of both versions say. Nothing is measured again.',
      content: known.map(({ title, content, chart }) => renderPlain(title, content, chart ?? null)),
    }),
    markdown: [
      `# ${toCodeSpan(one)} beside ${toCodeSpan(other)}`,
      ...known.map(({ title, content }) => showPlain(title, content)),
    ]
      .join('\n\n')
      .concat('\n'),
  }
}

function nameOf({ published, name }: TrainingReport): string {
  return published ?? name
}

/** One of each, with a dash where one has none. */
function pairUp(one: readonly (readonly [string, string])[], other: typeof one): string[][] {
  const [first, second] = [new Map(one), new Map(other)]
  return [...new Set([...first.keys(), ...second.keys()])].map((term) => [
    term,
    first.get(term) ?? '–',
    second.get(term) ?? '–',
  ])
}

function tellFigures([one, other]: Two): Part {
  return {
    title: 'Figures',
    content: {
      sentences: [tellRows([one, other])],
      table: {
        label: 'Figures of both versions',
        header: ['Figure', nameOf(one), nameOf(other)],
        rows: pairUp(listFigures(one), listFigures(other)),
      },
    },
  }
}

/** Whether the figures are of the same rows: of others the rows make a difference too. */
function tellRows([one, other]: Two): string {
  if (one.test === null || other.test === null) {
    return 'One of the two has no test rows, so that only figures of cross-validation stand beside each other.'
  }
  const isSame =
    one.dataset.sha256 === other.dataset.sha256 &&
    one.seed === other.seed &&
    one.split.kind === other.split.kind &&
    one.split.source === other.split.source &&
    one.split.testRows === other.split.testRows &&
    one.split.kind !== 'file'
  const difference = formatPoints(
    (other.test.accuracy ?? Number.NaN) - (one.test.accuracy ?? Number.NaN),
  )
  const told = `The accuracy of the second is ${difference} points beside that of the first`
  return isSame
    ? `${told}, on the same test rows. Intervals are of each alone: whether the difference is chance is told by a paired comparison.`
    : `${told}; the test rows may be others, and they make a difference too.`
}

function tellOrigins([one, other]: Two): Part {
  const facts = (report: TrainingReport): [string, string][] => [
    ['Trained', formatDate(report.created)],
    ['Data', shorten(report.dataset.source, MAX_LABEL)],
    ['Training rows', formatCount(report.split.trainRows)],
    ['Labels', formatCount(report.labels.length)],
    ['Encoder', `${report.encoder.model} (${report.encoder.precision})`],
    ['Method', shorten(report.method.name, MAX_LABEL)],
    ['Seed', String(report.seed)],
  ]
  return {
    title: 'Origin',
    content: {
      table: {
        label: 'Where both versions come from',
        header: ['', nameOf(one), nameOf(other)],
        rows: pairUp(facts(one), facts(other)),
      },
    },
  }
}

function tellLabels([one, other]: Two): Part | null {
  const scores = [one, other].map(
    ({ test }) => new Map((test?.perClass ?? []).map((each) => [each.label, each])),
  )
  const [first, second] = scores as [(typeof scores)[number], (typeof scores)[number]]
  const both = [...first.values()].flatMap(({ label, f1, support }) => {
    const found = second.get(label)
    return found === undefined || f1 === null || found.f1 === null
      ? []
      : [{ label, from: f1, to: found.f1, rows: [support, found.support] as const }]
  })
  both.sort((a, b) => Math.abs(b.to - b.from) - Math.abs(a.to - a.from))
  const sentences = [
    ...nameLabels(one, other),
    ...nameLabels(other, one),
    ...(both.length > MAX_ROWS ? [`The ${MAX_ROWS} labels whose F1 differs most.`] : []),
  ]
  if (both.length === 0 && sentences.length === 0) return null
  const header = ['Label', `F1, ${nameOf(one)}`, `F1, ${nameOf(other)}`, 'Points', 'Test rows']
  const rows = both
    .slice(0, MAX_ROWS)
    .map(({ label, from, to, rows }) => [
      shorten(label, MAX_LABEL),
      formatPercent(from),
      formatPercent(to),
      formatPoints(to - from),
      rows[0] === rows[1] ? formatCount(rows[0]) : rows.map(formatCount).join(', '),
    ])
  return {
    title: 'Labels',
    content: { sentences, table: { label: 'F1 of each label', header, rows } },
  }
}

function nameLabels(one: TrainingReport, other: TrainingReport): string[] {
  const known = new Set(other.labels)
  const own = one.labels.filter((label) => !known.has(label))
  if (own.length === 0) return []
  const named = own.slice(0, MAX_NAMED).map((label) => shorten(label, MAX_LABEL))
  const more = own.length > MAX_NAMED ? ', …' : ''
  return [`Only ${nameOf(one)} has: ${named.join(', ')}${more} (${formatCount(own.length)}).`]
}

/** Errors by true and answered label, those first of which there are most in either. */
function tellConfusions([one, other]: Two): Part | null {
  const [first, second] = [countErrors(one), countErrors(other)]
  const keys = [...new Set([...first.keys(), ...second.keys()])]
  if (keys.length === 0) return null
  const most = (key: string) => Math.max(first.get(key) ?? 0, second.get(key) ?? 0)
  const order = keys.sort((a, b) => most(b) - most(a) || (a < b ? -1 : 1))
  const rows = order.slice(0, MAX_ROWS).map((key) => {
    const names = (JSON.parse(key) as string[]).map((label) => shorten(label, MAX_LABEL))
    return [...names, formatCount(first.get(key) ?? 0), formatCount(second.get(key) ?? 0)]
  })
  const left =
    keys.length > MAX_ROWS ? ` The ${MAX_ROWS} most frequent of ${formatCount(keys.length)}.` : ''
  const header = ['True label', 'Answered', nameOf(one), nameOf(other)]
  return {
    title: 'Confusions',
    content: {
      sentences: [`Test rows of a label that were given another one.${left}`],
      table: { label: 'Confusions of both versions', header, rows, firstNumeric: 2 },
    },
  }
}

function countErrors({ labels, test }: TrainingReport): Map<string, number> {
  const errors = (test?.confusions ?? []).filter(({ actual, predicted }) => actual !== predicted)
  return new Map(
    errors.map(({ actual, predicted, count }) => [
      JSON.stringify([labels[actual] ?? '?', labels[predicted] ?? '?']),
      count,
    ]),
  )
}

function tellCurves(two: Two): Part | null {
  const curves = two.map((report) => ({
    name: nameOf(report),
    points: report.learningCurve?.points ?? [],
  }))
  const sizes = [...new Set(curves.flatMap(({ points }) => points.map(({ rows }) => rows)))]
  if (sizes.length === 0) return null
  sizes.sort((a, b) => a - b)
  const frame = {
    ...{ id: 'learning', title: 'Learning curves', xTitle: 'rows learnt, doubling' },
    description:
      'Accuracy by the number of rows learnt, each with its interval; the table holds the numbers.',
    told: (value: number) => formatPercent(value, 0),
    logTicks: curves
      .toSorted((a, b) => b.points.length - a.points.length)[0]!
      .points.map(({ rows }) => rows),
    toldX: formatCount,
  }
  const drawn = curves.flatMap(({ name, points }, i) =>
    points.length === 0
      ? []
      : [
          {
            ...{ name, series: 2 * i },
            points: points.map(({ rows, head }) => ({
              x: rows,
              y: head.accuracy,
              ...head.interval,
            })),
          },
        ],
  )
  const rows = sizes.map((size) => [
    formatCount(size),
    ...curves.map(({ points }) => {
      const point = points.find(({ rows }) => rows === size)
      return point === undefined
        ? '–'
        : `${formatPercent(point.head.accuracy)} (${tellRange(point.head.interval)})`
    }),
  ])
  const without = curves.filter(({ points }) => points.length === 0).map(({ name }) => name)
  return {
    title: 'Learning curves',
    content: {
      sentences: without.map((name) => `${name} has no learning curve.`),
      table: {
        ...{ label: 'Learning curves as a table', rows },
        header: ['Rows learnt', ...curves.map(({ name }) => name)],
        firstNumeric: 0,
      },
    },
    chart: element('figure', {}, drawCurves(frame, drawn)),
  }
}
