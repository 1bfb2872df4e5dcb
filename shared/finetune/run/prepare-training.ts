import { isImageFolder } from '../../exporter/source/is-image-folder.ts'
import type { Session } from '../../runtime/session.ts'
import type { Scorer } from '../evaluate/evaluate-rows.ts'
import type { GraphFolder } from '../graph/graph-folder.ts'
import { buildScoringGraph, buildTrainingGraph } from '../graph/training-graph.ts'
import type { ScoringGraph, TrainingGraph, TrainingGraphOptions } from '../graph/types.ts'
import { openImageBase } from '../image/image-base.ts'
import { assertFits, type MemoryPlan, planMemory } from '../memory/predict-memory.ts'
import { availableBytes, checkRoom, type PeakMemory } from '../memory/resources.ts'
import { drawHead, startHead } from '../optimise/output-layer.ts'
import { reportPhase } from '../progress.ts'
import type { LabelledRows } from '../rows/labelled-rows.ts'
import { openTextBase } from '../text/text-base.ts'
import type { TrainableBase } from '../trainable-base.ts'
import type { FineTuneTools, WorkerRequest } from '../types.ts'

/** All that training needs, in memory. */
export interface PreparedTraining {
  readonly base: TrainableBase
  readonly options: TrainingGraphOptions
  readonly training: TrainingGraph
  /** Runs the training graph. */
  readonly graphSession: Session
  readonly scorer: Scorer
  readonly train: LabelledRows
  readonly validation: LabelledRows
  readonly memory: MemoryPlan
  readonly timings: { readonly readMs: number; readonly cacheMs: number }
}

/** What preparing needs. */
export interface PrepareTools extends FineTuneTools {
  readonly folder: GraphFolder
  readonly peakMemory: PeakMemory
}

/**
 * Opens the base with its rows, checks that it will fit into memory, computes what frozen layers give, and opens the
 * graphs.
 * @throws EspalierError as `fineTune` does
 */
export async function prepareTraining(
  request: WorkerRequest,
  tools: PrepareTools,
): Promise<PreparedTraining> {
  const { clock, folder, peakMemory } = tools
  const startMs = clock.monotonicMs()
  reportPhase(tools, 'reading')
  const base = await openBase(request, { ...tools, scratch: folder.path })
  await checkRoom(request.outputFolder, base.weightBytes)
  const drawn = graphOptions(base, request)
  const scoring = buildScoringGraph(drawn)
  const memory = predict(base, request, { scoring, training: buildTrainingGraph(drawn) })
  peakMemory.sample()
  const readMs = clock.monotonicMs() - startMs
  const { train, validation } = await base.prepareRows(tools)
  const scoringSession = await folder.open('scoring', scoring.graph)
  const scorer = { scoring, session: scoringSession, afterRun: () => peakMemory.sample() }
  const options = await startHead(drawn, train, scorer, request.settings.seed)
  const training = buildTrainingGraph(options)
  const graphSession = await folder.open('training', training.graph)
  peakMemory.sample()
  return {
    base,
    options,
    training,
    graphSession,
    scorer,
    train,
    validation,
    memory,
    timings: { readMs, cacheMs: clock.monotonicMs() - startMs - readMs },
  }
}

function graphOptions(
  { trunk }: TrainableBase,
  { settings, train }: WorkerRequest,
): TrainingGraphOptions {
  const { loss, classWeights, seed } = settings
  const { classes } = train
  const initialHead = drawHead({ trunk, loss, classes }, seed)
  return { trunk, loss, classes, initialHead, classWeights }
}

/** @throws EspalierError `invalid_request` where it will not fit */
function predict(
  base: TrainableBase,
  { settings, train, validation }: WorkerRequest,
  graphs: { scoring: ScoringGraph; training: TrainingGraph },
): MemoryPlan {
  const { trainable, batchSize } = settings
  const { tokens, weightBytes } = base
  const batch = Math.min(batchSize, train.texts.length)
  const plan = planMemory({
    training: graphs.training.graph,
    scoring: graphs.scoring.graph,
    trainedNumbers: sumOf(graphs.training.parameters.map(({ initial }) => initial.length)),
    interpolates: settings.alpha !== 1 && trainable.kind !== 'head',
    weightBytes,
    rowBytes: base.rowBytes + train.targets.byteLength + validation.targets.byteLength,
    batch,
    tokens,
  })
  assertFits(plan, settings.maxMemoryBytes ?? availableBytes(), { batch, tokens, trainable })
  return plan
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

/** Opens what is to be trained, with its rows: an encoder of images where the folder is of one, else of texts. */
function openBase(
  request: WorkerRequest,
  { scratch, ...tools }: FineTuneTools & { readonly scratch: string },
): Promise<TrainableBase> {
  return isImageFolder(request.baseFolder)
    ? openImageBase(request, tools)
    : openTextBase(request, scratch)
}
