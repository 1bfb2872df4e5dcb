import type { DatasetWarning } from '../../dataset/summary.ts'
import type { EncoderInfo } from '../../encoder/types.ts'
import { encodeAnswers } from '../../head/answers.ts'
import { encodeHead } from '../../head/encode.ts'
import { isSameReading } from '../../head/head.ts'
import type { Clock } from '../../lib/clock.ts'
import { EspalierError } from '../../lib/errors.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { option, say, type Wording } from '../../lib/wording.ts'
import { checkModelName } from '../../registry/records/names.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import type {
  ReportBaseline,
  ReportCost,
  ReportLearningCurve,
  ReportOutOfFold,
} from '../../reports/figure-types.ts'
import type { TrainingReport } from '../../reports/types.ts'
import type { RepeatedCrossValidation } from '../../training/repeated/cross-validate.ts'
import type { TrainedHead, TrainingSet } from '../../training/types.ts'
import { checkTargetKind } from '../../versions/publish-model.ts'
import type { EmbedJobOptions } from '../rows/embed-for-job.ts'
import { describeAnswers } from './answers.ts'
import { describeBaselines } from './baselines.ts'
import { type ChampionCheck, type Contender, compareWithChampion, promoteHead } from './champion.ts'
import type { TrainingData } from './data.ts'
import { describeOutOfFold } from './describe-answers.ts'
import { type Evaluation, evaluateOnRows } from './evaluation.ts'
import { describeCopies } from './keep-together.ts'
import { headFiles, publishOrKeep } from './keep-unpublished.ts'
import { drawLearningCurve, measureCost } from './learning-curve.ts'
import { type HeadOrigin, publishHead } from './publish.ts'
import { assembleReport, makeThumbnails, SHOWN_MISTAKES } from './report.ts'
import {
  type HeadDeps,
  type HeadJob,
  type HeadRequest,
  QUOTES,
  type Stopwatch,
  type TrainHeadResult,
} from './request.ts'
import { describeSureAnswers } from './sure-answers.ts'
import { loadTraining } from './tools.ts'
import type { EmbeddedData, RowVectors } from './vectors.ts'

/** A fitted head, and the vectors that it runs on. */
export interface FittedHead {
  readonly trained: TrainedHead
  /** The rows that it was fitted on. */
  readonly learnt: TrainingSet
  readonly vectors: RowVectors
  /** Heads to evaluate beside it on the same test rows. */
  readonly rivals?: readonly Pick<FittedHead, 'trained' | 'vectors'>[]
  readonly embedFor?: Contender['embedFor']
  /** Why it is not published, as a sentence; its report is made all the same. */
  readonly refusal?: Wording | undefined
  /** What else the report should say of the data. */
  readonly warnings?: readonly DatasetWarning[] | undefined
  /** What the user should do, in sentences. */
  readonly advice?: readonly Wording[] | undefined
  /** Of the stages that follow. */
  readonly signal: AbortSignal | undefined
}

/** What the test rows say of a head; null where there are none. */
export interface EvaluatedHead {
  readonly evaluation: Evaluation | null
  /** In the order of the rivals; empty without test rows. */
  readonly rivals: readonly Evaluation[]
  readonly fittedAccuracy: number
  readonly champion: ChampionCheck
}

/** What stands beside the figures of a head. */
interface Surroundings {
  readonly repeated: RepeatedCrossValidation | null
  readonly baselines: readonly ReportBaseline[]
  readonly learningCurve: ReportLearningCurve | null
  readonly cost: ReportCost
  readonly outOfFold: ReportOutOfFold | null
}

/** An encoder that is published below a head. */
export interface EncoderBelow {
  /** As the report and the lineage of the head name it. */
  readonly model: string
  /** The version that is promoted with the head; null where there is none. */
  readonly version: RegistryVersion | null
}

/** What differs between the jobs that make a head. */
export interface HeadPlug<
  Data extends TrainingData,
  Embedded extends EmbeddedData<Data>,
  Fit extends FittedHead,
> {
  /** How to get test rows, for a message. */
  readonly fix: Wording
  read(): Promise<Data>
  embed(data: Data, options: EmbedJobOptions, watch: Stopwatch): Promise<Embedded>
  fit(set: Embedded, job: HeadJob): Promise<Fit>
  /** Splits anew, once vectors show which rows say the same. */
  split?(set: Embedded, job: HeadJob): Promise<Embedded>
  /** Publishes the encoder below the head, where that is new. */
  publishEncoder?(set: Embedded, fit: Fit): Promise<EncoderBelow>
  /** Cross-validates the whole way to the head several times, where few rows are left to test on. */
  repeat?(set: Embedded, job: HeadJob): Promise<RepeatedCrossValidation | null>
  /** What the report tells beside what every report does. */
  report?(set: Embedded, fit: Fit, evaluated: EvaluatedHead): Partial<TrainingReport>
  origin(set: Embedded, fit: Fit, report: TrainingReport): HeadOrigin
  /** What speaks against a promotion beside the champion. */
  objectTo?(report: TrainingReport): string | null
}

/**
 * The spine of the jobs that make a head: read, embed, fit, evaluate, report, publish, promote. Nothing is visible
 * before the version is published whole; the alias moves after that.
 * @throws EspalierError `invalid_name`, `wrong_model_kind`, and what the plug, encoder and registry throw
 */
export async function makeHead<
  Data extends TrainingData,
  Embedded extends EmbeddedData<Data>,
  Fit extends FittedHead,
>(
  deps: HeadDeps,
  request: HeadRequest,
  plug: HeadPlug<Data, Embedded, Fit>,
): Promise<TrainHeadResult & { readonly fit: Fit; readonly encoder: RegistryVersion | null }> {
  const { name, onProgress, signal } = request
  checkModelName(name)
  await checkTargetKind(deps.registry, name, 'classifier', signal)
  if (!request.dryRun) await deps.registry.checkWritable(name, { signal })
  const watch = createStopwatch(deps.clock)
  const data = await plug.read()
  watch.finish('reading')
  const check = (encoder: EncoderInfo) => checkOtherName(name, encoder)
  const { textReading: reading } = request
  const embedded = await plug.embed(data, { check, reading, onProgress, signal }, watch)
  watch.finish('embedding')
  const kernels = await deps.openKernels()
  try {
    const job: HeadJob = { deps, request, tools: await loadTraining(), kernels, watch }
    const set = (await plug.split?.(embedded, job)) ?? embedded
    if (plug.split !== undefined) watch.finish('near-duplicates')
    const fit = keepReading(await plug.fit(set, job), request)
    fit.signal?.throwIfAborted()
    const evaluated = await evaluateHead(job, set.data, fit, plug.fix)
    watch.finish('evaluation')
    const repeated = (await plug.repeat?.(set, job)) ?? null
    if (repeated !== null) watch.finish('repeated cross-validation')
    const figures = { evaluation: evaluated.evaluation, repeated, seed: request.seed }
    const baselines = describeBaselines(job, set.data, fit.trained.head, figures)
    watch.finish('baselines')
    const { trained, learnt, vectors } = fit
    const { evaluation } = evaluated
    const parts = { data: set.data, vectors, trained, learnt, evaluation, baselines }
    const learningCurve = await drawLearningCurve(job, parts)
    if (learningCurve !== null) watch.finish('learning curve')
    const cost = await measureCost(job, trained, learnt, set.embeddings.computed)
    const outOfFold = describeOutOfFold(job, set.data, trained, learnt, request.seed)
    const all = { ...evaluated, repeated, baselines, learningCurve, cost, outOfFold }
    return { ...(await conclude(job, plug, set, fit, all)), fit }
  } finally {
    await kernels.close()
  }
}

/** Heads say how their texts are read, unless that is the usual way. */
function keepReading<Fit extends FittedHead>(fit: Fit, { textReading }: HeadRequest): Fit {
  if (isSameReading(textReading)) return fit
  const head = { ...fit.trained.head, reading: textReading }
  return { ...fit, trained: { ...fit.trained, head } }
}

async function evaluateHead(
  job: HeadJob,
  { test, modality }: TrainingData,
  fit: FittedHead,
  fix: Wording,
): Promise<EvaluatedHead> {
  const { request, tools, kernels } = job
  const options = {
    ...{ tools, kernels, seed: request.seed },
    quotes: request.quoteTexts ? QUOTES : 0,
    mistakes: modality === 'image' && request.thumbnails ? SHOWN_MISTAKES : 0,
  }
  const evaluations: Evaluation[] = []
  for (const { trained, vectors } of test.length > 0 ? [fit, ...(fit.rivals ?? [])] : []) {
    evaluations.push(await evaluateOnRows(trained.head, test, vectors.test, options))
  }
  const [evaluation = null, ...rivals] = evaluations
  const { head, crossValidation } = fit.trained
  // Told beside the cross-validation alone.
  const isTold = crossValidation !== null
  const fitted = isTold ? await tools.evaluateHead(head, fit.learnt, kernels) : null
  const champion = await compareWithChampion(
    job,
    {
      ...{ head, test, embeddings: fit.vectors.test, embedFor: fit.embedFor, fix },
      correct: evaluation?.correct ?? new Uint8Array(0),
    },
    fit.signal,
  )
  return { evaluation, rivals, fittedAccuracy: fitted?.accuracy ?? 0, champion }
}

/** Reports, publishes and promotes. */
async function conclude<
  Data extends TrainingData,
  Embedded extends EmbeddedData<Data>,
  Fit extends FittedHead,
>(
  job: HeadJob,
  plug: HeadPlug<Data, Embedded, Fit>,
  set: Embedded,
  fit: Fit,
  evaluated: EvaluatedHead & Surroundings,
): Promise<TrainHeadResult & { readonly encoder: RegistryVersion | null }> {
  const { deps, request, tools, watch } = job
  const { trained, vectors, signal } = fit
  const { evaluation, champion } = evaluated
  const { embeddings } = set
  const copies = describeCopies(set, evaluation?.correct)
  const warnings = [...set.data.warnings, ...copies]
  const data = { ...set.data, warnings: [...warnings, ...(fit.warnings ?? [])] }
  const bytes = encodeHead(trained.head)
  const sure = describeSureAnswers(tools, trained, fit.learnt, evaluation, request.precisionAt)
  const reference = describeAnswers(trained, evaluation?.counts ?? null)
  const answers = encodeAnswers({ ...reference, ...sure.facts })
  signal?.throwIfAborted()
  const encoder = (await plug.publishEncoder?.(set, fit)) ?? {
    model: formatModelVersion(vectors.encoder),
    version: null,
  }
  const report = {
    ...assembleReport({
      ...{ request, data, encoder: vectors.encoder, model: encoder.model, trained },
      ...{ evaluation, fittedAccuracy: evaluated.fittedAccuracy, comparison: champion.comparison },
      ...{ repeated: evaluated.repeated, baselines: evaluated.baselines },
      ...{ learningCurve: evaluated.learningCurve, cost: evaluated.cost },
      ...{ outOfFold: evaluated.outOfFold, sureAnswers: sure.report },
      ...{ headBytes: bytes.length, timings: watch.timings, createdMs: deps.clock.wallMs() },
    }),
    ...plug.report?.(set, fit, evaluated),
  }
  const mistakes = evaluation?.test.mistakes ?? []
  const thumbnails = await makeThumbnails(deps.openThumbnailer, data.test, mistakes)
  const files = tools.renderReport(report, thumbnails)
  signal?.throwIfAborted()
  const figures = tools.tellFigures(report)
  const { advice } = fit
  const made = { report, files, figures, warnings, advice, embeddings, encoder: encoder.version }
  if (request.dryRun || fit.refusal !== undefined) {
    return { ...made, version: null, created: false, promotion: { status: 'none' } }
  }
  const origin = plug.origin(set, fit, report)
  const { precision, minScore } = sure.facts.abstention ?? {}
  const abstention = precision && minScore ? { precision, minScore } : undefined
  const head = { request, data, trained, bytes, answers, abstention, report, files, origin }
  const kept = [{ name: request.name, content: headFiles(bytes, files, answers) }]
  const published = await publishOrKeep(deps, () => publishHead(deps.registry, head, signal), kept)
  const promotion = await promoteHead(
    job,
    { ...published, encoder: encoder.version },
    { ...champion, objection: plug.objectTo?.(report) ?? champion.objection },
    signal,
  )
  return { ...made, ...published, promotion }
}

function createStopwatch(clock: Clock): Stopwatch {
  const timings: { stage: string; milliseconds: number }[] = []
  let startedMs = clock.monotonicMs()
  return {
    timings,
    finish(stage) {
      const nowMs = clock.monotonicMs()
      timings.push({ stage, milliseconds: nowMs - startedMs })
      startedMs = nowMs
    },
  }
}

function checkOtherName(name: string, encoder: EncoderInfo): void {
  if (name !== encoder.name) return
  throw new EspalierError(
    'wrong_model_kind',
    say`${formatModelVersion(encoder)} is the encoder itself; give the classifier another ${option('name')}`,
  )
}
