import type { ReportContender, ReportRecommendation } from './types.ts'

const NAMES: Readonly<Record<ReportRecommendation['promote'], string>> = {
  tuned: 'Promote the fine-tuned pair',
  frozen: 'Keep the frozen encoder',
  unknown: 'No recommendation',
}

/**
 * Recommends a fine-tuned encoder only where its gain over the frozen head is beyond the interval: at the
 * `served` precision if that has it, else at another that has.
 */
export function recommend(
  contenders: readonly ReportContender[],
  served: string,
): ReportRecommendation {
  const tuned = contenders.filter((each) => each.tuned && each.gain !== null)
  const preferred = tuned.find(({ precision }) => precision === served) ?? tuned[0]
  if (preferred === undefined) {
    const why = 'No test rows were held out, so that nothing is known of the gain.'
    return { promote: 'unknown', precision: null, why }
  }
  const better = [preferred, ...tuned].find(({ gain }) => gain !== null && gain.low > 0)
  const told = better ?? preferred
  const gain = tellGain(told)
  if (better === undefined) {
    const why =
      `${gain}, which does not clearly beat the frozen head: the frozen encoder answers as well, ` +
      'and shares its vectors with other classifiers.'
    return { promote: 'frozen', precision: null, why }
  }
  const loss = better === preferred ? '' : `; at ${preferred.precision} it is not clearly better`
  const why = `${gain}, beyond the interval${loss}.`
  return { promote: 'tuned', precision: better.precision, why }
}

/** The heading of a recommendation. */
export function nameRecommendation({ promote, precision }: ReportRecommendation): string {
  return precision === null ? NAMES[promote] : `${NAMES[promote]} at ${precision}`
}

function tellGain({ precision, gain }: ReportContender): string {
  const points = (share: number): string => {
    const text = Math.abs(share * 100).toFixed(1)
    return `${Number(text) === 0 ? '' : share > 0 ? '+' : '−'}${text}`
  }
  const { difference, low, high } = gain ?? { difference: 0, low: 0, high: 0 }
  return (
    `Fine-tuned, at ${precision}, accuracy changes by ${points(difference)} points on the same test rows ` +
    `(95 % interval ${points(low)} to ${points(high)})`
  )
}
