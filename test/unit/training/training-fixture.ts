import { readFileSync } from 'node:fs'
import type { Matrix } from '../../../shared/lib/maths/matrix-kernels.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import type { TrainingSet } from '../../../shared/training/types.ts'

interface ReferenceFit {
  readonly weights: readonly number[]
  readonly bias: readonly number[]
}

/** What scikit-learn computes on a small fixture; see test/golden/make-training.py. */
export interface TrainingGolden {
  readonly rows: number
  readonly dimension: number
  readonly classes: number
  readonly embeddings: readonly number[]
  readonly targets: readonly number[]
  readonly logistic: readonly (ReferenceFit & { readonly lambda: number })[]
  readonly sigmoid: ReferenceFit & { readonly lambda: number }
  /** With `class_weight='balanced'`. */
  readonly balanced: TrainingGolden['logistic']
  /** The same for the last class against the others. */
  readonly balancedSigmoid: TrainingGolden['sigmoid']
  readonly lda: readonly (ReferenceFit & { readonly shrinkage: number })[]
  /** Seven rows of six classes. */
  readonly singleRows: {
    readonly embeddings: readonly number[]
    readonly targets: readonly number[]
    readonly lda: readonly (ReferenceFit & { readonly shrinkage: number })[]
  }
  /** Two equal rows of each of six classes, and what the nearest centroid of some queries is. */
  readonly equalRows: {
    readonly embeddings: readonly number[]
    readonly queries: readonly number[]
    readonly nearest: readonly number[]
  }
  readonly ledoitWolf: number
  readonly ridge: ReferenceFit & { readonly alpha: number }
}

export function readTrainingGolden(): TrainingGolden {
  return JSON.parse(
    readFileSync(new URL('../../golden/training.json', import.meta.url), 'utf8'),
  ) as TrainingGolden
}

/** Golden rows as a matrix. */
export function goldenRows({ embeddings, rows, dimension }: TrainingGolden): Matrix {
  return { data: Float32Array.from(embeddings), rows, columns: dimension }
}

/** Largest absolute difference. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} numbers against ${b.length}`)
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
  return largest
}

/** Unit vectors around one random centre per class; `counts` gives the rows of each class. */
export function makeBlobs(
  counts: readonly number[],
  options: { readonly dimension?: number; readonly noise?: number; readonly seed?: number } = {},
): TrainingSet & { readonly targets: Int32Array } {
  const { dimension = 16, noise = 0.6, seed = 1 } = options
  const random = createRandom(seed)
  const normal = (): number => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.next()))
    return radius * Math.cos(2 * Math.PI * random.next())
  }
  const centres = counts.map(() => Array.from({ length: dimension }, normal))
  const targets = Int32Array.from(counts.flatMap((count, c) => new Array<number>(count).fill(c)))
  const embeddings = new Float32Array(targets.length * dimension)
  targets.forEach((target, row) => {
    const values = centres[target]!.map((value) => value + noise * normal())
    const norm = Math.hypot(...values)
    embeddings.set(
      values.map((value) => value / norm),
      row * dimension,
    )
  })
  const labels = counts.map((_, c) => `label ${c}`)
  return { embeddings, dimension, labels, targets, labelSets: null }
}
