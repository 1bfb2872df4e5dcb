/** The middle of a sample; the mean of the two middles where it is even. NaN for an empty one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The smallest value that at least the share `q` of the sample does not exceed (nearest rank). NaN for an empty one. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

/** (maximum − minimum) / median: below about 0.15 two medians may be compared. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/**
 * Quotients of two samples pass by pass, so that a slow moment of the machine, which falls on both, cancels.
 * @throws RangeError when the samples differ in length
 */
export function passRatios(above: readonly number[], below: readonly number[]): number[] {
  if (above.length !== below.length) {
    throw new RangeError(`${above.length} passes cannot be compared with ${below.length}`)
  }
  return above.map((value, pass) => value / (below[pass] as number))
}

/** Cosine of two vectors of one length. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number
    const y = b[i] ?? 0
    dot += x * y
    aa += x * x
    bb += y * y
  }
  return dot / Math.sqrt(aa * bb)
}
