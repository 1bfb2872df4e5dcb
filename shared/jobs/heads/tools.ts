import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import type { TrainingReport } from '../../reports/types.ts'
import type { TrainedHead, TrainingSet, TrainOptions, TrainTools } from '../../training/types.ts'

/** Opens the matrix kernels, which the caller closes. */
export type OpenKernels = () => Promise<MatrixKernels & { close(): Promise<void> }>

/** The training side, loaded when something is trained or evaluated: a server never loads it. */
export async function loadTraining() {
  const [metrics, calibration, risk, pairs, curve, rows, scores] = await Promise.all([
    import('../../training/evaluation/metrics.ts'),
    import('../../training/evaluation/calibration-interval.ts'),
    import('../../training/evaluation/risk-coverage.ts'),
    import('../../training/evaluation/confused-pairs.ts'),
    import('../../training/repeated/learning-curve.ts'),
    import('../../training/repeated/answer-rows.ts'),
    import('../../training/evaluation/choose-min-score.ts'),
  ])
  const [training, evaluation, answers, bootstrap, proportion, comparison, scoring] =
    await Promise.all([
      import('../../training/train-head.ts'),
      import('../../training/evaluation/evaluate.ts'),
      import('../../training/evaluation/answers.ts'),
      import('../../training/evaluation/bca.ts'),
      import('../../training/evaluation/intervals.ts'),
      import('../../training/evaluation/compare.ts'),
      import('../../training/evaluation/score-answers.ts'),
    ])
  const [baselines, repeated, duplicates, layers, figures, markdown, html, json] =
    await Promise.all([
      import('../../training/baselines/baselines.ts'),
      import('../../training/repeated/cross-validate.ts'),
      import('../../training/duplicates/find-near-duplicates.ts'),
      import('../../training/evaluation/logme.ts'),
      import('../../reports/figures.ts'),
      import('../../reports/render-markdown.ts'),
      import('../../reports/render-html.ts'),
      import('../../reports/to-json.ts'),
    ])
  return {
    trainHead: training.trainHead,
    evaluateHead: evaluation.evaluateHead,
    measureAnswers: answers.measureAnswers,
    intervalOfMean: bootstrap.intervalOfMean,
    intervalOfRight: proportion.intervalOfRight,
    rowsForMargin: proportion.rowsForMargin,
    compareHeads: comparison.compareHeads,
    scoreAnswers: scoring.scoreAnswers,
    answerByBaselines: baselines.answerByBaselines,
    crossValidateRepeatedly: repeated.crossValidateRepeatedly,
    findNearDuplicates: duplicates.findNearDuplicates,
    findCopies: duplicates.findCopies,
    mostInGroup: duplicates.mostInGroup,
    scoreLayer: layers.scoreLayer,
    predictedClasses: metrics.predictedClasses,
    reliabilityBins: metrics.reliabilityBins,
    calibrationError: metrics.calibrationError,
    calibrationInterval: calibration.calibrationInterval,
    measureRiskCoverage: risk.measureRiskCoverage,
    chooseMinScore: scores.chooseMinScore,
    findConfusedPairs: pairs.findConfusedPairs,
    measureLearningCurve: curve.measureLearningCurve,
    answerRows: rows.answerRows,
    tellFigures: figures.tellFigures,
    renderReport: (report: TrainingReport, thumbnails?: ReadonlyMap<string, string>) => ({
      markdown: markdown.renderMarkdown(report),
      html: html.renderHtml(report, thumbnails),
      json: json.toJson(report),
    }),
  }
}

export type TrainingTools = Awaited<ReturnType<typeof loadTraining>>

/** What computing takes. */
export interface Compute {
  readonly tools: TrainingTools
  readonly kernels: MatrixKernels
}

/** What a request says of the fit of a head. */
export type FitRequest = Pick<
  TrainOptions,
  'method' | 'seed' | 'folds' | 'balance' | 'memory' | 'dropSuspects' | 'optimise' | 'classWeight'
>

/** A fit that tells how good vectors are, whatever the head is for. */
export const PLAIN = {
  memory: false,
  balance: false,
  optimise: undefined,
  classWeight: undefined,
} as const

/** Fits a head of a family on embedded rows, by the method that the request asks for. */
export function fitHead(
  { tools, kernels }: Compute,
  set: TrainingSet,
  family: string,
  request: FitRequest & Pick<TrainTools, 'onProgress' | 'signal'>,
  modality: 'text' | 'image' | undefined,
): Promise<TrainedHead> {
  const { onProgress, signal } = request
  const options = trainOptions(family, request, modality)
  return tools.trainHead(set, options, { kernels, onProgress, signal })
}

/** A request as training takes it. */
export function trainOptions(
  family: string,
  request: FitRequest,
  modality: 'text' | 'image' | undefined,
): TrainOptions {
  const { method, seed, folds, balance, memory, dropSuspects, optimise, classWeight } = request
  const standard = modality === 'image' ? 'softmax' : 'softmax+lda'
  const fit = { method, seed, folds, balance, memory, dropSuspects, optimise, classWeight }
  return { family, ...fit, standard }
}
