import type { Matrix } from '../../lib/maths/matrix-kernels.ts'

/** With fewer positive rows the best threshold is a matter of luck: one half stays. */
const FEWEST_POSITIVES = 10
const DEFAULT_THRESHOLD = 0.5

/** Per label the threshold of best F1 on held-out rows, halfway between the two probabilities it separates. */
export function chooseThresholds(probabilities: Matrix, truth: Matrix): Float32Array {
  const { rows, columns, data } = probabilities
  return Float32Array.from({ length: columns }, (_, label) => {
    const order = Array.from({ length: rows }, (_, row) => row * columns + label).sort(
      (a, b) => data[b]! - data[a]! || a - b,
    )
    const positives = order.reduce((sum, at) => sum + truth.data[at]!, 0)
    if (positives < FEWEST_POSITIVES) return DEFAULT_THRESHOLD
    let hits = 0
    let best = { f1: 0, threshold: DEFAULT_THRESHOLD }
    order.forEach((at, i) => {
      hits += truth.data[at]!
      const next = i + 1 < rows ? data[order[i + 1]!]! : 0
      // A threshold cannot part equal probabilities.
      if (next === data[at]!) return
      const f1 = (2 * hits) / (i + 1 + positives)
      if (f1 > best.f1) best = { f1, threshold: (data[at]! + next) / 2 }
    })
    return best.threshold
  })
}
