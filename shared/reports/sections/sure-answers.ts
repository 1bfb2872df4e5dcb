import { formatCount, formatPercent } from '../format.ts'
import { tellAbstention, tellSets } from '../sure-answers-text.ts'
import type { TrainingReport } from '../types.ts'
import { type PlainContent, plainSection } from './plain.ts'

const HOW =
  'Sets and scores come from the training rows that the cross-validation held out (split conformal prediction; learn then ' +
  'test). They hold for inputs like these rows.'

/** Prediction sets, and the score to answer from; nothing where nothing was held out. */
export const sureAnswersSection = plainSection('How sure answers may be', describe, undefined, true)

function describe(report: TrainingReport): PlainContent | null {
  const { sureAnswers, labels } = report
  if (sureAnswers == null) return null
  const { sets, abstention } = sureAnswers
  const sentences = [
    ...(sets === null ? [] : tellSets(sets, labels.length)),
    ...tellAbstention(report),
  ]
  if (sentences.length === 0) return null
  if (abstention === null) return { sentences: [...sentences, HOW] }
  const { chosen, test, rows } = abstention
  const row = (place: string, all: number, answered: number, right: number): string[] => [
    place,
    `${formatCount(answered)} of ${formatCount(all)}`,
    answered === 0 ? '' : formatPercent(right / answered),
  ]
  const answers = [
    ...(chosen === null ? [] : [row('held-out rows', rows, chosen.answered, chosen.right)]),
    ...(test === null ? [] : [row('test rows', test.rows, test.answered, test.right)]),
  ]
  return {
    sentences: [...sentences, HOW],
    table: {
      label: 'Answers from the score on',
      header: ['Rows', 'Answered', 'Right'],
      rows: answers,
    },
  }
}
