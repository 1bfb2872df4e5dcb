import { formatPercent, shorten } from '../format.ts'
import { tellLabelNoise } from '../label-noise-text.ts'
import type { TrainingReport } from '../types.ts'
import { type PlainContent, plainSection } from './plain.ts'

const MAX_LABEL = 60
const MAX_PLACE = 120
const HOW =
  'Rows whose label contradicts fits that had not seen them (confident learning). An audit of the data lists all of ' +
  'them with their nearest rows. Correct them at their source, and train again.'

/** The labels of training rows that are likely wrong; nothing where none is. */
export const labelNoiseSection = plainSection('Labels in doubt', describe)

function describe(report: TrainingReport): PlainContent | null {
  const sentences = tellLabelNoise(report)
  const { labelNoise } = report
  if (sentences.length === 0 || labelNoise == null) return null
  const rows = labelNoise.examples.map(({ place, given, likelier, score }) => [
    shorten(place, MAX_PLACE),
    shorten(given, MAX_LABEL),
    shorten(likelier, MAX_LABEL),
    formatPercent(score),
  ])
  return {
    sentences: [...sentences.map(endSentence), HOW],
    table: {
      label: 'The labels that are most likely wrong',
      header: ['Row', 'Label', 'Likelier', 'Wrong with'],
      rows,
      firstNumeric: 3,
    },
  }
}

function endSentence(text: string): string {
  return /[.…]$/.test(text) ? text : `${text}.`
}
