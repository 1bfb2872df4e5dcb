import { createRandom } from '../lib/maths/random.ts'
import type { NamedTensor, Session } from '../runtime/session.ts'
import { sampleRows } from '../training/numerics/folds.ts'
import { planPass } from './batches.ts'
import type { Evaluation } from './best-weights.ts'
import { scalarOf, targetsOf } from './encoder-learner.ts'
import type { LabelledTexts } from './fine-tune-types.ts'
import type { RowSource } from './row-source.ts'
import { countRight, groupsOf, takeTargets } from './targets.ts'
import type { ScoringGraph } from './types.ts'

/** Rows of one run. */
const RUN_ROWS = 32

/** Rows that embeddings without a head are compared with and judged on: pairs grow with the square. */
const MAX_NEIGHBOUR_ROWS = 1000

/** A forward pass on weights that come in as inputs. */
export interface Scorer {
  readonly scoring: ScoringGraph
  readonly session: Session
  /** Called after each run. */
  afterRun(): void
}

/** Weights by name, as graph inputs. */
export type WeightInputs = Readonly<Record<string, NamedTensor>>

/** Rows with their labels, as a graph takes them. */
export interface JudgedRows {
  readonly source: RowSource
  readonly rows: LabelledTexts
}

/** Mean loss over the rows, and the share whose labels all come out right; null without rows. */
export async function evaluateScores(
  scorer: Scorer,
  weights: WeightInputs,
  { source, rows }: JudgedRows,
  several: boolean,
): Promise<Evaluation | null> {
  const count = rows.texts.length
  if (count === 0) return null
  const { batch, outputs } = scorer.scoring
  let loss = 0
  let right = 0
  for (const taken of planPass(source.lengths, RUN_ROWS)) {
    const feeds = {
      ...weights,
      ...source.feed(taken, batch.start),
      ...targetsOf(batch, rows, { rows: taken }),
    }
    const results = await scorer.session.run(feeds, [outputs.loss, outputs.scores])
    scorer.afterRun()
    loss += scalarOf(results[outputs.loss]) * taken.length
    const scores = results[outputs.scores]?.data as Float32Array
    right += countRight(scores, takeTargets(rows, taken), several)
  }
  return { loss: loss / count, accuracy: right / count }
}

/** Embeddings of all rows, shape [rows, dimension]. */
export async function embedRows(
  scorer: Scorer,
  weights: WeightInputs,
  { source, rows }: JudgedRows,
): Promise<Float32Array> {
  const { batch, outputs } = scorer.scoring
  let all = new Float32Array()
  for (const taken of planPass(source.lengths, RUN_ROWS)) {
    const feeds = {
      ...weights,
      ...source.feed(taken, batch.start),
      ...targetsOf(batch, rows, { rows: taken }),
    }
    const results = await scorer.session.run(feeds, [outputs.embedding])
    scorer.afterRun()
    const { data, dims } = results[outputs.embedding] as NamedTensor
    const width = dims[1] as number
    if (all.length === 0) all = new Float32Array(rows.texts.length * width)
    for (const [at, row] of taken.entries()) {
      all.set((data as Float32Array).subarray(at * width, (at + 1) * width), row * width)
    }
  }
  return all
}

/** Some of the rows, in the order given. */
export function selectRows({ source, rows }: JudgedRows, selected: Int32Array): JudgedRows {
  return {
    source: {
      lengths: Int32Array.from(selected, (row) => source.lengths[row] as number),
      feed: (batch, start) =>
        source.feed(
          batch.map((at) => selected[at] as number),
          start,
        ),
    },
    rows: {
      texts: Array.from(selected, (row) => rows.texts[row] as string),
      targets: takeTargets(rows, selected).data as Float32Array,
      classes: rows.classes,
    },
  }
}

/** At most so many rows, every label among them. */
export function sampleJudged(judged: JudgedRows, seed: number): JudgedRows {
  const rows = sampleRows(groupsOf(judged.rows), MAX_NEIGHBOUR_ROWS, createRandom(seed))
  return rows.length === judged.rows.texts.length ? judged : selectRows(judged, rows)
}
