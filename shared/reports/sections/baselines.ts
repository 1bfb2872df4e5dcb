import { tabulateBaselines } from '../figures.ts'
import { plainSection } from './plain.ts'

/** The head beside simpler answers on the same rows. */
export const baselinesSection = plainSection('Beside simpler answers', (report) => {
  const { header, rows } = tabulateBaselines(report)
  return rows.length === 0
    ? null
    : { table: { label: 'The head beside simpler answers', header, rows } }
})
