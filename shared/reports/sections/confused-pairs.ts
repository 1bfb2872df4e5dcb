import type { ReportConfusedPair } from '../figure-types.ts'
import { formatCount, formatPercent, shorten } from '../format.ts'
import type { TrainingReport } from '../types.ts'
import { type PlainContent, plainSection } from './plain.ts'

const MAX_PAIRS = 20
const MAX_LINES = 10
const MAX_LABEL = 60
/** Chance does not make so many of one pair. */
const CLEAR = 0.05

/** Pairs of labels that are taken for each other, with the rows behind. */
export const confusedPairsSection = plainSection('Confused pairs', (report) => {
  const groups = findPairs(report)
  return groups.length === 0 ? null : describe(report, groups)
})

interface FoundPairs {
  readonly pairs: readonly ReportConfusedPair[]
  /** The rows that were answered, in words. */
  readonly place: string
  readonly on: string
  /** The file that the lines are of. */
  readonly file: string
}

function describe({ labels }: TrainingReport, groups: readonly FoundPairs[]): PlainContent {
  const hasLines = groups.some(({ pairs }) => pairs.some(({ lines }) => lines.length > 0))
  const isChance = labels.length > 2
  const files = [...new Set(groups.map(({ file }) => shorten(file, 200)))]
  const lines =
    files.length === 1
      ? `Lines are those of ${files[0]}`
      : `Lines of held-out rows are those of ${files[0]}, those of test rows of ${files[1]}`
  const header = [
    'Labels',
    ...(groups.length > 1 ? ['On'] : []),
    'Rows',
    'Share of both',
    ...(isChance ? ['More than chance'] : []),
    ...(hasLines ? ['Lines'] : []),
  ]
  const rows = groups.flatMap(({ pairs, on }) =>
    pairs
      .slice(0, MAX_PAIRS)
      .map((pair) => [
        tellPair(pair),
        ...(groups.length > 1 ? [on] : []),
        formatCount(pair.forth + pair.back),
        pair.of === 0 ? '' : formatPercent((pair.forth + pair.back) / pair.of),
        ...(isChance ? [pair.pValue < CLEAR ? 'yes' : 'not clearly'] : []),
        ...(hasLines ? [tellLines(pair)] : []),
      ]),
  )
  return {
    sentences: [
      `Labels that are taken for each other, on ${groups.map(({ place }) => place).join(' and on ')}.`,
      ...(hasLines
        ? [`${lines}, the surest wrong answers first: look there for wrong labels.`]
        : []),
      ...(isChance
        ? [
            '“More than chance” means: more than errors that fall on all other labels alike would make of one pair.',
          ]
        : []),
    ],
    table: {
      label: 'Confused pairs with the rows behind them',
      ...{ header, rows, firstNumeric: groups.length > 1 ? 2 : 1 },
    },
  }
}

function tellPair({ first, second, back }: ReportConfusedPair): string {
  const arrow = back > 0 ? '↔' : '→'
  return `${shorten(first, MAX_LABEL)} ${arrow} ${shorten(second, MAX_LABEL)}`
}

function tellLines({ lines, forth, back }: ReportConfusedPair): string {
  const shown = lines.slice(0, MAX_LINES)
  const more = forth + back > shown.length && shown.length > 0 ? ', …' : ''
  return `${shown.join(', ')}${more}`
}

function findPairs({ dataset, split, test, outOfFold }: TrainingReport): FoundPairs[] {
  const held = outOfFold?.confusedPairs ?? []
  const tested = test?.confusedPairs ?? []
  return [
    {
      pairs: held,
      place: `the ${formatCount(outOfFold?.rows ?? 0)} training rows that the folds held out`,
      on: 'held-out rows',
      file: dataset.source,
    },
    {
      pairs: tested,
      place: `the ${formatCount(test?.rows ?? 0)} test rows`,
      on: 'test rows',
      file: split.source ?? dataset.source,
    },
  ].filter(({ pairs }) => pairs.length > 0)
}
