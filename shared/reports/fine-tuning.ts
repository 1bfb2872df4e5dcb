import type { Measure, ReportEncoder } from './types.ts'

/** What fine-tuning the encoder did and brought, beside the frozen encoder on the same test rows. */
export interface ReportFineTuning {
  /** The encoder that was started from. */
  readonly base: ReportEncoder
  /** What was trained and how: plain settings, in the order in which they are shown. */
  readonly settings: Readonly<Record<string, number | string | boolean | null>>
  readonly rows: { readonly train: number; readonly validation: number }
  /** Why training ended, as a few words. */
  readonly stopped: string
  readonly steps: number
  /** The step whose weights were kept. */
  readonly bestStep: number
  /** How much of the tuned weights is in the mix with the base's that is published. */
  readonly blend: ReportBlend
  /** Passes made over the training rows. */
  readonly epochs: number
  readonly trainedParameters: number
  readonly curve: readonly ReportCurvePoint[]
  /** The frozen head first; all on the same test rows. Empty where none were held out. */
  readonly contenders: readonly ReportContender[]
  /** Where the published head comes from. */
  readonly head: { readonly chosen: 'refitted' | 'output layer'; readonly why: string }
  readonly recommendation: ReportRecommendation
  readonly memory: { readonly predictedBytes: number; readonly peakBytes: number }
}

/** The mix of tuned and base weights, and what it was chosen from. */
export interface ReportBlend {
  /** 1 for the tuned weights as they are. */
  readonly alpha: number
  readonly basis: 'validation' | 'cross-validation' | 'given' | 'none'
  /** Rows that the mixes were judged on. */
  readonly rows: number
  /** Gains are over the base (alpha 0) on the same rows, each with its standard error. */
  readonly scores: readonly {
    readonly alpha: number
    readonly accuracy: number
    readonly gain: number
    readonly error: number
  }[]
}

/** One evaluation during training; losses are in nats. */
export interface ReportCurvePoint {
  readonly step: number
  readonly seconds: number
  readonly trainLoss: Measure
  readonly validationLoss: Measure
  readonly validationAccuracy: Measure
}

/** A head on one encoder and precision, judged on the test rows. */
export interface ReportContender {
  readonly name: string
  readonly tuned: boolean
  readonly precision: string
  readonly accuracy: Measure
  readonly interval: { readonly low: number; readonly high: number } | null
  readonly macroF1: Measure
  readonly ece: Measure
  /** Accuracy less that of the frozen head, with its paired bootstrap interval; null for the frozen head. */
  readonly gain: { readonly difference: number; readonly low: number; readonly high: number } | null
}

/** What the comparison says to do. */
export interface ReportRecommendation {
  readonly promote: 'tuned' | 'frozen' | 'unknown'
  /** The precision to serve the tuned encoder at; null unless it is recommended. */
  readonly precision: string | null
  /** A whole sentence. */
  readonly why: string
}

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
