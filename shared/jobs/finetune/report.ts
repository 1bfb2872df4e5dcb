import { formatModelVersion } from '../../lib/text/model-address.ts'
import { print } from '../../lib/wording.ts'
import type {
  ReportContender,
  ReportFineTuning,
  ReportRecommendation,
} from '../../reports/types.ts'
import type { Evaluation } from '../heads/evaluation.ts'
import type { EvaluatedHead, FittedHead } from '../heads/make-head.ts'
import type { FineTunedHead } from './fit.ts'
import { describeSettings } from './settings.ts'

const ENDS = {
  finished: 'as planned',
  patience: 'early, as the validation rows got no better',
  budget: 'with the time allowed',
  cancelled: 'by Ctrl-C',
  diverged: 'as the loss was no number any more',
} as const

/** The report's section on the encoder below the head. */
export function describeFineTuning(fit: FineTunedHead, evaluated: EvaluatedHead): ReportFineTuning {
  const { job, base, result, choice } = fit
  const { data, settings } = job
  const { encoder } = base
  const contenders = compareContenders(fit, evaluated)
  return {
    base: {
      model: formatModelVersion(encoder),
      family: encoder.family,
      fingerprint: encoder.fingerprint,
      precision: encoder.precision,
    },
    settings: describeSettings(settings, data.modality),
    rows: { train: data.learnt.length, validation: data.validation.length },
    stopped: ENDS[result.stopped],
    steps: result.steps,
    bestStep: result.bestStep,
    blend: {
      alpha: result.blend.alpha,
      basis: result.blend.basis,
      rows: result.blend.rows,
      scores: result.blend.scores,
    },
    epochs: result.epochs,
    trainedParameters: result.trainedParameters,
    curve: result.curve.map(({ step, seconds, trainLoss, validationLoss, validationAccuracy }) => ({
      step,
      seconds,
      trainLoss,
      validationLoss,
      validationAccuracy,
    })),
    contenders,
    head: choice,
    recommendation: recommend(fit, contenders),
    memory: result.memory,
  }
}

/** What speaks against promoting the pair; null where it clearly beats the frozen head. */
export function objectToTuned(
  { promote, why, precision }: ReportRecommendation,
  served: string,
): string | null {
  if (promote !== 'tuned') return why.replace(/\.$/, '')
  if (precision === served) return null
  return `at ${served}, which is served here, it does not clearly beat the frozen head; at ${precision} it does`
}

function recommend(
  { job: { tools, request }, refusal }: FineTunedHead,
  contenders: readonly ReportContender[],
): ReportRecommendation {
  if (refusal === undefined) return tools.recommend(contenders, request.precision)
  const text = print(refusal)
  const why = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
  return { promote: 'frozen', precision: null, why }
}

/**
 * The frozen head, then the tuned one at every precision, on the same test rows; each gain has a paired interval.
 */
function compareContenders(
  fit: FineTunedHead,
  { evaluation, rivals }: EvaluatedHead,
): ReportContender[] {
  if (evaluation === null) return []
  const own = { head: fit, evaluation }
  const others = rivals.map((each, at) => ({ head: fit.rivals![at]!, evaluation: each }))
  const [frozen = own, ...atOthers] = others
  const tuned = frozen === own ? [] : [own, ...atOthers]
  const { tools } = fit.job
  return [
    describeContender(frozen, 'frozen', null),
    ...tuned.map((each) => {
      const { correct } = frozen.evaluation
      const gain = tools.compareHeads(each.evaluation.correct, correct)
      return describeContender(each, 'fine-tuned', gain)
    }),
  ]
}

function describeContender(
  {
    head,
    evaluation,
  }: {
    readonly head: Pick<FittedHead, 'vectors'>
    readonly evaluation: Evaluation
  },
  kind: 'frozen' | 'fine-tuned',
  gain: ReportContender['gain'],
): ReportContender {
  const { precision } = head.vectors.encoder
  const { accuracy, interval, macroF1, ece } = evaluation.test
  const name = `${kind}, ${precision}`
  return {
    ...{ name, tuned: kind === 'fine-tuned', precision, accuracy, interval, macroF1, ece, gain },
  }
}
