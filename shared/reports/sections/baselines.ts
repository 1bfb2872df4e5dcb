import { tabulateBaselines } from '../figures.ts'
import type { TrainingReport } from '../types.ts'
import { plainSection } from './plain.ts'

/** The head beside simpler answers on the same rows. */
export const baselinesSection = plainSection('Beside simpler answers', (report) => {
  const { header, rows } = tabulateBaselines(report)
  if (rows.length === 0) return null
  return {
    sentences: tellMissing(report),
    table: { label: 'The head beside simpler answers', header, rows },
  }
})

/** Why a baseline of texts is not there. */
function tellMissing({ baselines = [], dataset }: TrainingReport): string[] {
  if (dataset.modality === 'image' || baselines.some(({ name }) => name === 'tf-idf')) return []
  return [
    'TF-IDF is left out: for so many labels it could learn from fewer than two rows each in bounded time.',
  ]
}
