import type { Tensor } from './tensor.ts'

/** Slopes of a function by central differences, one for each element of `at`; error about step² in float64. */
export function numericGradient(
  evaluate: (changed: Tensor) => number,
  at: Tensor,
  step = 1e-5,
): number[] {
  const move = (index: number, by: number) => {
    const data = at.data.slice()
    data[index] = (data[index] as number) + by
    return evaluate({ dims: at.dims, data })
  }
  return Array.from(at.data, (_, index) => (move(index, step) - move(index, -step)) / (2 * step))
}
