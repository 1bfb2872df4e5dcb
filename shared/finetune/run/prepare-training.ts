import type { Session } from '../../runtime/session.ts'
import { checkRoom } from '../check-output.ts'
import type { JudgedRows, Scorer } from '../evaluate/evaluate-rows.ts'
import type { FineTuneTools } from '../fine-tune-tools.ts'
import type { GraphFolder } from '../graph/graph-folder.ts'
import { buildScoringGraph, buildTrainingGraph } from '../graph/training-graph.ts'
import type { ScoringGraph, TrainingGraph, TrainingGraphOptions } from '../graph/types.ts'
import type { MemoryBook } from '../memory/memory-book.ts'
import { assertFits, type MemoryPlan, planMemory } from '../memory/predict-memory.ts'
import { availableBytes } from '../memory/resources.ts'
import { drawHead, startHead } from '../optimise/output-layer.ts'
import type { FineTuneInit } from '../protocol.ts'
import { reportPhase } from '../text/hidden-states.ts'
import type { TrainableBase } from '../trainable-base.ts'
import { openBase } from './open-base.ts'

/** All that training needs, in memory. */
export interface PreparedTraining {
  readonly base: TrainableBase
  readonly options: TrainingGraphOptions
  readonly training: TrainingGraph
  readonly trainingSession: Session
  readonly scorer: Scorer
  readonly train: JudgedRows
  readonly validation: JudgedRows
  readonly memory: MemoryPlan
  readonly timings: { readonly readMs: number; readonly cacheMs: number }
}

/** What preparing needs. */
export interface PrepareTools extends FineTuneTools {
  readonly folder: GraphFolder
  readonly book: MemoryBook
}

type PrepareRequest = FineTuneInit['request']

/**
 * Opens the base with its rows, checks that it will fit into memory, computes what frozen layers give, and opens the
 * graphs.
 * @throws EspalierError as `fineTune` does
 */
export async function prepareTraining(
  request: PrepareRequest,
  tools: PrepareTools,
): Promise<PreparedTraining> {
  const { clock, folder, book } = tools
  const startMs = clock.monotonicMs()
  reportPhase(tools, 'reading')
  const base = await openBase(request, { ...tools, scratch: folder.path })
  await checkRoom(request.outputFolder, base.weightBytes)
  const drawn = graphOptions(base, request)
  const scoring = buildScoringGraph(drawn)
  const memory = predict(base, request, { scoring, training: buildTrainingGraph(drawn) })
  book.note()
  const readMs = clock.monotonicMs() - startMs
  const { train, validation } = await base.enterRows(tools)
  const scoringSession = await folder.open('scoring', scoring.graph)
  const scorer = { scoring, session: scoringSession, afterRun: () => book.note() }
  const options = await startHead(drawn, train, scorer, request.settings.seed)
  const training = buildTrainingGraph(options)
  const trainingSession = await folder.open('training', training.graph)
  book.note()
  return {
    base,
    options,
    training,
    trainingSession,
    scorer,
    train,
    validation,
    memory,
    timings: { readMs, cacheMs: clock.monotonicMs() - startMs - readMs },
  }
}

function graphOptions(
  { trunk }: TrainableBase,
  { settings, train }: PrepareRequest,
): TrainingGraphOptions {
  const { loss, classWeights, seed } = settings
  const { classes } = train
  const initialHead = drawHead({ trunk, loss, classes }, seed)
  return { trunk, loss, classes, initialHead, classWeights }
}

/** @throws EspalierError `invalid_request` where it will not fit */
function predict(
  base: TrainableBase,
  { settings, train, validation }: PrepareRequest,
  graphs: { scoring: ScoringGraph; training: TrainingGraph },
): MemoryPlan {
  const { trainable, batchSize } = settings
  const { tokens, weightBytes } = base
  const batch = Math.min(batchSize, train.texts.length)
  const plan = planMemory({
    training: graphs.training.graph,
    scoring: graphs.scoring.graph,
    trainedNumbers: sumOf(graphs.training.parameters.map(({ initial }) => initial.length)),
    mixes: settings.alpha !== 1 && trainable.kind !== 'head',
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
