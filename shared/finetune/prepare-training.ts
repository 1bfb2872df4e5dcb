import type { Session } from '../runtime/session.ts'
import { outputDimension } from './affine-head.ts'
import { availableBytes } from './available-memory.ts'
import { checkRoom } from './check-output.ts'
import { type AllTokens, enterRows, reportPhase } from './enter-rows.ts'
import type { JudgedRows, Scorer } from './evaluate-rows.ts'
import type { FineTuneTools } from './fine-tune-tools.ts'
import type { FineTuneRequest, LabelledTexts } from './fine-tune-types.ts'
import type { GraphFolder } from './graph-folder.ts'
import { drawHead, startHead } from './initial-head.ts'
import type { MemoryBook } from './memory-book.ts'
import { assertFits, type MemoryPlan, planMemory } from './predict-memory.ts'
import { type Base, readBase, weightBytes } from './read-base.ts'
import { cacheBytes } from './state-cache.ts'
import { tokenizeRows } from './token-rows.ts'
import { buildLowerGraph, buildScoringGraph, buildTrainingGraph } from './training-graph.ts'
import type { LowerGraph, ScoringGraph, TrainingGraph, TrainingGraphOptions } from './types.ts'

/** All that training needs, in memory. */
export interface PreparedTraining {
  readonly base: Base
  readonly options: TrainingGraphOptions
  readonly training: TrainingGraph
  readonly trainingSession: Session
  readonly scorer: Scorer
  readonly train: JudgedRows
  readonly validation: JudgedRows
  readonly truncated: { readonly train: number; readonly validation: number }
  readonly memory: MemoryPlan
  readonly timings: { readonly readMs: number; readonly cacheMs: number }
}

/** What preparing needs. */
export interface PrepareTools extends FineTuneTools {
  readonly folder: GraphFolder
  readonly book: MemoryBook
}

type PrepareRequest = Omit<FineTuneRequest, 'onProgress' | 'signal'>

/**
 * Reads and tokenises, checks that it will fit into memory, computes what frozen layers give, and opens the
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
  const base = await readBase(request, folder.path)
  await checkRoom(request.outputFolder, weightBytes(base.weights))
  const tokens = tokenizeAll(base, request)
  const drawn = graphOptions(base, request)
  const scoring = buildScoringGraph(drawn)
  const lower = buildLowerGraph(drawn)
  const memory = predict(base, request, tokens, {
    lower,
    scoring,
    training: buildTrainingGraph(drawn),
  })
  book.note()
  const readMs = clock.monotonicMs() - startMs
  const sources = await enterRows(base, lower, drawn, tokens, tools)
  const train = { source: sources.train, rows: request.train }
  const validation = { source: sources.validation, rows: request.validation }
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
    truncated: { train: tokens.train.truncated, validation: tokens.validation.truncated },
    memory,
    timings: { readMs, cacheMs: clock.monotonicMs() - startMs - readMs },
  }
}

function tokenizeAll({ source }: Base, { train, validation, settings }: PrepareRequest): AllTokens {
  const { prompts, defaultPrompt } = source.sentence
  const prompt = defaultPrompt === null ? '' : (prompts[defaultPrompt] ?? '')
  const maxTokens = Math.min(settings.maxTokens, source.maxTokens)
  const tokenize = ({ texts }: LabelledTexts, name: string) =>
    tokenizeRows(source.tokenizer, texts, { prompt, maxTokens, name })
  return { train: tokenize(train, 'train'), validation: tokenize(validation, 'validation') }
}

function graphOptions(
  { weights, source }: Base,
  { settings, train }: PrepareRequest,
): TrainingGraphOptions {
  const { trainable, loss, classWeights, seed } = settings
  const { pooling } = source.sentence
  const { classes } = train
  const initialHead = drawHead({ weights, loss, classes }, seed)
  return { weights, pooling, trainable, loss, classes, initialHead, classWeights }
}

/** @throws EspalierError `invalid_request` where it will not fit */
function predict(
  { weights }: Base,
  { settings, train, validation }: PrepareRequest,
  tokens: AllTokens,
  graphs: { lower: LowerGraph | null; scoring: ScoringGraph; training: TrainingGraph },
): MemoryPlan {
  const { trainable, batchSize } = settings
  const kind = trainable.kind === 'head' ? 'embeddings' : 'states'
  const width = kind === 'embeddings' ? outputDimension(weights) : weights.config.hidden
  const lengths = [tokens.train.lengths, tokens.validation.lengths]
  const cached = graphs.lower ? lengths.map((rows) => cacheBytes(rows, kind, width)) : []
  const held = [tokens.train.ids, tokens.validation.ids, train.targets, validation.targets]
  const rowBytes = held.reduce((sum, { byteLength }) => sum + byteLength, 0) + sumOf(cached)
  const longest = Math.max(...lengths.map((rows) => rows.reduce((a, b) => Math.max(a, b), 1)))
  const batch = Math.min(batchSize, train.texts.length)
  const plan = planMemory({
    training: graphs.training.graph,
    scoring: graphs.scoring.graph,
    lower: graphs.lower?.graph ?? null,
    trainedNumbers: sumOf(graphs.training.parameters.map(({ initial }) => initial.length)),
    weightBytes: weightBytes(weights),
    rowBytes,
    batch,
    tokens: longest,
  })
  assertFits(plan, settings.maxMemoryBytes ?? availableBytes(), {
    batch,
    tokens: longest,
    trainable,
  })
  return plan
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
