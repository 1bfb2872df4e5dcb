import type { DatasetWarning } from '../../dataset/summary.ts'
import { isSameReading, type TextReading, USUAL_READING } from '../../head/head.ts'
import { createRandom } from '../../lib/maths/random.ts'
import { option, print, say, type Wording } from '../../lib/wording.ts'
import { inputOf } from '../heads/leave-out-unreadable.ts'
import type { TrainHeadDeps, TrainHeadRequest } from '../heads/request.ts'
import { type Compute, fitHead, PLAIN } from '../heads/tools.ts'
import { type EmbeddedData, toTrainingSet } from '../heads/vectors.ts'
import { embedForJob } from '../rows/embed-for-job.ts'
import { takeRows } from '../rows/take-rows.ts'

/** From this share of cut texts on, and this many, other readings are tried. */
const MIN_SHARE = 0.1
const MIN_CUT = 8
/** Rows that they are compared on. */
const MAX_ROWS = 400

const READINGS: readonly TextReading[] = [
  USUAL_READING,
  { truncationDirection: 'left', windows: null },
  { truncationDirection: 'right', windows: 'mean' },
  { truncationDirection: 'right', windows: 'max' },
]

/** What is said of texts that are cut: for the report, and for who trains. */
export interface ReadingAdvice {
  readonly warning: DatasetWarning
  readonly advice: Wording
}

/**
 * Where many training texts are cut and nobody said how they are to be read, cross-validates the other readings on a
 * sample and says which is best; nothing is changed. Null where few are cut.
 */
export async function adviseReading(
  deps: TrainHeadDeps,
  request: TrainHeadRequest,
  compute: Compute,
  { data, vectors, cut }: EmbeddedData,
): Promise<ReadingAdvice | null> {
  const { train } = data
  const count = cut.subarray(0, train.length).reduce((sum, each) => sum + each, 0)
  const isOpen = data.modality !== 'image' && isSameReading(request.textReading)
  if (!isOpen || count < MIN_CUT || count < MIN_SHARE * train.length) return null
  const rows = sampleRows(train.length, request.seed)
  const cutRows = rows.flatMap((row, at) => (cut[row] === 1 ? [{ row, at }] : []))
  if (cutRows.length === 0) return null
  const { encoder } = vectors
  const { dimension } = encoder
  const examples = rows.map((row) => train[row]!)
  const usual = takeRows(vectors.train, rows, dimension)
  const tried: { readonly reading: TextReading; readonly accuracy: number }[] = []
  for (const reading of READINGS) {
    const embeddings = usual.slice()
    if (!isSameReading(reading)) {
      const { onProgress, signal } = request
      const inputs = cutRows.map(({ row }) => inputOf(train[row]!))
      const read = await embedForJob(deps, inputs, { reading, onProgress, signal })
      for (const [index, { at }] of cutRows.entries()) {
        const from = index * dimension
        embeddings.set(read.embeddings.subarray(from, from + dimension), at * dimension)
      }
    }
    const { classes: labels, multiLabel } = data
    const set = toTrainingSet(examples, embeddings, dimension, { labels, multiLabel })
    const method = request.method === 'auto' ? 'softmax' : request.method
    const plain = { ...request, ...PLAIN, method }
    const { crossValidation } = await fitHead(compute, set, encoder.family, plain, data.modality)
    if (crossValidation === null) return null
    tried.push({ reading, accuracy: crossValidation.accuracy })
  }
  const told = say`${count} of ${train.length} training texts are longer than the ${encoder.maxTokens} tokens that the encoder reads, and are cut; cross-validated on ${rows.length} rows: `
  const shown = tried.map(({ reading, accuracy }) => `${nameReading(reading)} ${percent(accuracy)}`)
  const advice = [...told, shown.join(', '), ...recommend(tried, rows.length)]
  const message = print(advice)
  return { advice, warning: { code: 'cut_texts', count, message, examples: [] } }
}

/** Rows of a sample, ascending. */
function sampleRows(rows: number, seed: number): number[] {
  const all = Array.from({ length: rows }, (_, row) => row)
  if (rows <= MAX_ROWS) return all
  return createRandom(seed)
    .shuffle(all)
    .slice(0, MAX_ROWS)
    .sort((a, b) => a - b)
}

function recommend(
  tried: readonly { readonly reading: TextReading; readonly accuracy: number }[],
  rows: number,
): Wording {
  const usual = tried[0]!
  const best = tried.reduce((a, b) => (b.accuracy > a.accuracy ? b : a))
  const error = Math.sqrt((best.accuracy * (1 - best.accuracy)) / rows)
  const { truncationDirection, windows } = best.reading
  if (best.accuracy - usual.accuracy <= error) return say`; cutting them as it is does as well`
  const how =
    windows === null
      ? option('truncation-direction', truncationDirection)
      : option('windows', windows)
  return say`; pass ${how}`
}

function nameReading({ truncationDirection, windows }: TextReading): string {
  return windows === null ? `cut at the ${truncationDirection}` : `windows (${windows})`
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
