/** How far a row with the coordinates y [rank] is from the training data: min |y - mean|² - Σ background y². */
export function relativeDistance(
  detector: { readonly means: ArrayLike<number>; readonly background: ArrayLike<number> },
  y: ArrayLike<number>,
): number {
  const { means, background } = detector
  const rank = background.length
  let shared = 0
  for (let j = 0; j < rank; j++) shared += background[j]! * y[j]! * y[j]!
  let nearest = Infinity
  for (let from = 0; from < means.length; from += rank) {
    let sum = 0
    for (let j = 0; j < rank; j++) {
      const difference = y[j]! - means[from + j]!
      sum += difference * difference
    }
    nearest = Math.min(nearest, sum)
  }
  return nearest - shared
}
