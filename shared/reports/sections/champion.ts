import { toCodeSpan } from '../escape.ts'
import { formatPercent } from '../format.ts'
import { element } from '../markup.ts'
import { compareChampion, describeChampion } from '../summary.ts'
import type { ReportSection } from './section.ts'

/** How the head compares with the present champion. */
export const championSection: ReportSection = {
  html({ champion }) {
    if (champion === null) return null
    return element(
      'section',
      { class: compareChampion(champion) },
      element('p', {}, element('strong', {}, `${describeChampion(champion, champion.model)}.`)),
      element(
        'p',
        { class: 'soft' },
        `The champion has ${formatPercent(champion.accuracy)} accuracy and ${formatPercent(champion.macroF1)} macro-F1 there.`,
      ),
    )
  },
  markdown({ champion }) {
    return champion && `**${describeChampion(champion, toCodeSpan(champion.model))}.**`
  },
}
