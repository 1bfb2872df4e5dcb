import type { FineTuneResult } from '../../finetune/types.ts'
import type { Head } from '../../head/head.ts'
import type { ReportFineTuning } from '../../reports/types.ts'
import type { TrainedHead, TrainingSet } from '../../training/types.ts'
import { fitHead } from '../heads/tools.ts'
import type { FineTuneJob } from './job.ts'

/** What is done with so few rows that a threshold would be a matter of luck. */
const TOO_FEW = 'without an out-of-distribution threshold and hardly calibrated on'

/** A head on the tuned vectors. */
export interface TunedHead {
  readonly head: Head
  readonly method: string
  readonly choice: ReportFineTuning['head']
}

/** Vectors that a fine-tuned encoder makes of the training rows. */
export interface TunedVectors {
  readonly family: string
  readonly learnt: TrainingSet
  /** Rows that the encoder has not learnt; possibly none. */
  readonly validation: TrainingSet
}

/**
 * Fits a head anew on the tuned vectors, calibrates it on the validation rows, and takes the output layer that
 * was trained with the encoder instead where that is likelier to be right on them.
 */
export async function fitTunedHead(
  { request, data, tools, kernels }: FineTuneJob,
  { family, learnt, validation }: TunedVectors,
  result: Pick<FineTuneResult, 'head' | 'blend'>,
  signal: AbortSignal | undefined,
): Promise<TunedHead> {
  const fitting = { ...request, signal }
  const trained = await fitHead({ tools, kernels }, learnt, family, fitting, data.modality)
  const rows = validation.embeddings.length / validation.dimension
  if (rows === 0) {
    const { cooling, basis, widening } = result.blend
    const { temperature, detector } = trained.head
    const head = {
      ...trained.head,
      temperature: temperature * cooling,
      // Learnt rows lie closer than new ones: without any that were held out no threshold is known.
      detector:
        detector && widening !== null
          ? { ...detector, threshold: detector.threshold + widening }
          : null,
    }
    const how =
      basis === 'cross-validation'
        ? 'calibrated by the cross-validation of the training'
        : 'no rows were held out to calibrate it on, so that it has no out-of-distribution threshold'
    const why = `${trained.method} on the tuned vectors; ${how}`
    return { head, method: trained.method, choice: { chosen: 'refitted', why } }
  }
  const refitted = await tools.recalibrateHead(trained.head, validation, kernels)
  // The output layer was trained with the tuned weights as they were, not interpolated with the base's.
  const isInterpolated = result.blend.alpha !== 1
  const own = isInterpolated ? null : takeOutputLayer(trained, result, learnt.dimension)
  if (own === null) {
    const how =
      refitted.detector === null && trained.head.detector !== null ? TOO_FEW : 'calibrated on'
    const why = `${trained.method} on the tuned vectors, ${how} ${rows} validation rows`
    return { head: refitted, method: trained.method, choice: { chosen: 'refitted', why } }
  }
  const layer = await tools.recalibrateHead(own, validation, kernels)
  const [a, b] = [
    await tools.evaluateHead(refitted, validation, kernels),
    await tools.evaluateHead(layer, validation, kernels),
  ]
  const told = (name: string, { accuracy, nll }: typeof a) =>
    `${name} ${(100 * accuracy).toFixed(1)} % right, likelihood loss ${nll.toFixed(3)}`
  const why =
    `on ${rows} validation rows ${told(`${trained.method} refitted`, a)}; ` +
    told('the output layer as it was trained', b)
  return b.nll < a.nll
    ? { head: layer, method: 'output layer', choice: { chosen: 'output layer', why } }
    : { head: refitted, method: trained.method, choice: { chosen: 'refitted', why } }
}

/** The trained output layer as a head, with the other's detector; null where the loss has none. */
function takeOutputLayer(
  { head }: TrainedHead,
  { head: layer }: Pick<FineTuneResult, 'head'>,
  dimension: number,
): Head | null {
  if (layer.weight.length !== head.labels.length * dimension) return null
  if (layer.weight.every((weight) => weight === 0)) return null
  return {
    ...head,
    weights: layer.weight,
    bias: layer.bias,
    temperature: 1,
    memory: null,
    adjustment: null,
  }
}
