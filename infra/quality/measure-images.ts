import type { MatrixKernels } from '../../shared/lib/maths/matrix-kernels.ts'
import { createRandom } from '../../shared/lib/maths/random.ts'
import { adaptHeads } from '../../shared/training/adapt/adapt.ts'
import { CORAL_RIDGE } from '../../shared/training/adapt/coral.ts'
import { ADAPT_METHODS } from '../../shared/training/catalogue/adapt-methods.ts'
import { evaluateHead } from '../../shared/training/evaluation/evaluate.ts'
import { trainHead } from '../../shared/training/train-head.ts'
import type { Method, TrainingSet } from '../../shared/training/types.ts'
import { type EmbeddedImages, featuresOf } from './image-sets.ts'

/** As `espalier train` does for images. */
const STANDARD = 'softmax'

/** Share of the test images that a head trained on `train` names rightly. */
export async function measureHead(
  train: TrainingSet,
  test: TrainingSet,
  kernels: MatrixKernels,
  method: Method,
  seed = 42,
): Promise<number> {
  const options = { family: 'quality', method, seed, standard: STANDARD } as const
  const { head } = await trainHead(train, options, { kernels })
  return (await evaluateHead(head, test, kernels)).accuracy
}

/** Accuracy on a target domain, its images without their labels, by method. */
export async function measureAdapting(
  source: EmbeddedImages,
  target: EmbeddedImages,
  kernels: MatrixKernels,
): Promise<readonly { readonly method: string; readonly accuracy: number }[]> {
  const { heads } = await adaptHeads(
    {
      source: { name: 'source', features: featuresOf(source), targets: source.targets },
      target: { name: 'target', features: featuresOf(target) },
      labels: source.labels,
      family: 'quality',
      methods: ADAPT_METHODS,
      seed: 42,
      ridge: CORAL_RIDGE,
    },
    { kernels },
  )
  return heads.map(({ method, assignment }) => {
    const right = assignment.labels.filter((label, row) => label === target.targets[row])
    return { method, accuracy: right.length / target.targets.length }
  })
}

/** A point of a learning curve: mean and deviation over draws. */
export interface CurvePoint {
  readonly rows: number
  readonly accuracy: number
  readonly deviation: number
}

/** Accuracy of a softmax on the test set, trained on so many images, the same share of each class. */
export async function measurePoint(
  train: EmbeddedImages,
  test: EmbeddedImages,
  kernels: MatrixKernels,
  size: number,
  draws: number,
): Promise<CurvePoint> {
  const rows = Math.min(size, train.targets.length)
  const isWhole = rows === train.targets.length
  const accuracies: number[] = []
  for (let seed = 0; seed < (isWhole ? 1 : draws); seed++) {
    const drawn = isWhole ? train : drawImages(train, rows / train.labels.length, seed)
    accuracies.push(await measureHead(drawn, test, kernels, 'softmax', seed))
  }
  const accuracy = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length
  const squares = accuracies.reduce((sum, value) => sum + (value - accuracy) ** 2, 0)
  return { rows, accuracy, deviation: Math.sqrt(squares / Math.max(1, accuracies.length - 1)) }
}

function drawImages(set: EmbeddedImages, perClass: number, seed: number): TrainingSet {
  const { targets, embeddings, dimension, labels } = set
  const order = createRandom(seed).shuffle(Int32Array.from(targets, (_, row) => row))
  const counts = new Int32Array(labels.length)
  const kept = order.filter((row) => counts[targets[row]!]!++ < perClass).sort()
  const rows = new Float32Array(kept.length * dimension)
  kept.forEach((row, at) => {
    rows.set(embeddings.subarray(row * dimension, (row + 1) * dimension), at * dimension)
  })
  const drawn = Int32Array.from(kept, (row) => targets[row]!)
  return { embeddings: rows, dimension, labels, targets: drawn, labelSets: null }
}
