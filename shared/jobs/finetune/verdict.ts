import { EspalierError } from '../../lib/errors.ts'
import { precisionSchema } from '../../lib/manifests/encoder-manifest.ts'
import type { RegistryVersion } from '../../registry/types.ts'
import type { ReportContender, ReportRecommendation } from '../../reports/types.ts'
import { type ChampionCheck, checkChampion } from '../heads/champion.ts'
import { type Judgement, judgeHead } from '../heads/evaluation.ts'
import { SHOWN_MISTAKES } from '../heads/thumbnails.ts'
import type { FrozenSide, TunedSide } from './encoder.ts'
import type { FineTuneJob } from './job.ts'
import { embedFineTuneRows } from './vectors.ts'

/** What the test rows say. */
export interface Verdict {
  /** Of the tuned pair at the served precision; null where no rows were held out. */
  readonly judgement: Judgement | null
  readonly contenders: readonly ReportContender[]
  readonly recommendation: ReportRecommendation
  readonly champion: ChampionCheck
}

/** Wrong texts that a report quotes of each confusion, where it may. */
const QUOTES = 3

/**
 * Judges the frozen head and the tuned one, at every precision, on the same test rows; each gain has a paired
 * bootstrap interval. The present champion is put to the same rows, on its own encoder.
 */
export async function judgeTuned(
  job: FineTuneJob,
  frozen: FrozenSide,
  tuned: TunedSide,
): Promise<Verdict> {
  const { deps, request, data, tools, kernels } = job
  const { seed, precision } = request
  const mistakes = data.modality === 'image' && request.thumbnails ? SHOWN_MISTAKES : 0
  const judging = { tools, kernels, seed, quotes: request.quoteTexts ? QUOTES : 0, mistakes }
  const { test } = data
  const contenders: ReportContender[] = []
  const judgements: Judgement[] = []
  const sides = [
    { tuned: false, name: 'frozen', head: frozen.trained.head, vectors: frozen.vectors },
    ...[tuned.vectors, ...tuned.others].map((vectors) => ({
      ...{ tuned: true, name: 'fine-tuned', head: tuned.head.head, vectors },
    })),
  ]
  for (const side of test.length > 0 ? sides : []) {
    const judgement = await judgeHead(side.head, test, side.vectors.test, judging)
    const { accuracy, interval, macroF1, ece } = judgement.test
    const [first] = judgements
    const gain = first ? tools.compareHeads(judgement.correct, first.correct, { seed }) : null
    const { precision: served } = side.vectors.encoder
    const name = `${side.name}, ${served}`
    contenders.push({
      ...{ name, tuned: side.tuned, precision: served, accuracy, interval, macroF1, ece, gain },
    })
    judgements.push(judgement)
  }
  const judgement = judgements[1] ?? null
  const contender = {
    head: tuned.head.head,
    test,
    embeddings: tuned.vectors.test,
    correct: judgement?.correct ?? new Uint8Array(0),
    embedFor: (champion: RegistryVersion) => embedFor(job, frozen, champion, tuned.signal),
  }
  const options = { ...judging, signal: tuned.signal }
  const champion = await checkChampion(deps.registry, request.name, contender, options)
  const recommendation = tools.recommend(contenders, precision)
  return { judgement, contenders, recommendation, champion }
}

/** The test rows on the encoder of a champion: the base, or another one of the registry. */
async function embedFor(
  { deps, request, data }: FineTuneJob,
  { vectors }: FrozenSide,
  { family, lineage }: RegistryVersion,
  signal: AbortSignal | undefined,
): Promise<Float32Array | null> {
  if (family === vectors.encoder.family) return vectors.test
  const model = lineage?.encoder
  if (model === undefined) return null
  const precision = precisionSchema.safeParse(lineage?.precision).data ?? request.precision
  const { onProgress } = request
  const options = { model, precision, testOnly: true, onProgress, signal }
  try {
    const found = await embedFineTuneRows(deps, data, options)
    return found.encoder.family === family ? found.test : null
  } catch (error) {
    // An encoder that has gone leaves the champion uncompared, no more.
    if (error instanceof EspalierError && error.code !== 'request_cancelled') return null
    throw error
  }
}
