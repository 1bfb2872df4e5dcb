/** Distributions that intervals and tests are made of, in double precision. */

const CONVERGED = 1e-16
const MAX_TERMS = 20_000
const BISECTIONS = 80
/** Lanczos coefficients for g = 7 (Godfrey 2001). */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
] as const

/** Natural logarithm of Γ(x) for x > 0. */
export function logGamma(x: number): number {
  const base = x + 6.5
  let sum: number = LANCZOS[0]
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (x - 1 + i)
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(sum)
}

/** Probability that a Beta(a, b) number is at most x; a or b of 0 is a point mass at 0 or 1. */
export function betaCdf(x: number, a: number, b: number): number {
  if (x >= 1) return 1
  if (a <= 0) return x < 0 ? 0 : 1
  if (x <= 0 || b <= 0) return 0
  // The continued fraction converges fast on this side of the mean only.
  if (x > (a + 1) / (a + b + 2)) return 1 - betaCdf(1 - x, b, a)
  const front = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)
  return (Math.exp(front) * betaFraction(x, a, b)) / a
}

/** Continued fraction of the incomplete beta function by Lentz's method (Thompson and Barnett 1986). */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300
  let c = 1
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1), tiny)
  let value = d
  for (let m = 1; m < MAX_TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / nonZero(1 + even * d, tiny)
    c = nonZero(1 + even / c, tiny)
    value *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / nonZero(1 + odd * d, tiny)
    c = nonZero(1 + odd / c, tiny)
    const step = d * c
    value *= step
    if (Math.abs(step - 1) <= 2 * CONVERGED) break
  }
  return value
}

function nonZero(value: number, tiny: number): number {
  return Math.abs(value) < tiny ? tiny : value
}

/** The x that a Beta(a, b) number does not exceed with probability p. */
export function betaQuantile(p: number, a: number, b: number): number {
  if (p <= 0 || a <= 0) return 0
  if (p >= 1 || b <= 0) return 1
  let low = 0
  let high = 1
  for (let i = 0; i < BISECTIONS && high - low > CONVERGED * high; i++) {
    const middle = (low + high) / 2
    if (betaCdf(middle, a, b) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The value that a Student t number with so many degrees of freedom does not exceed with probability p. */
export function studentQuantile(p: number, freedom: number): number {
  if (p === 0.5) return 0
  if (p < 0.5) return -studentQuantile(1 - p, freedom)
  const x = betaQuantile(2 * (1 - p), freedom / 2, 0.5)
  return Math.sqrt(freedom * (1 / x - 1))
}

/** Probability that a standard normal number is at most x (series of Marsaglia 2004). */
export function normalCdf(x: number): number {
  if (x > 8) return 1
  if (x < -8) return 0
  let term = x
  let sum = x
  for (let i = 3; ; i += 2) {
    term *= (x * x) / i
    if (sum + term === sum) break
    sum += term
  }
  return 0.5 + sum * Math.exp(-0.5 * x * x - 0.5 * Math.log(2 * Math.PI))
}

/** The value that a standard normal number does not exceed with probability p; ±∞ at 0 and 1. */
export function normalQuantile(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY
  if (p >= 1) return Number.POSITIVE_INFINITY
  let low = -8
  let high = 8
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2
    if (normalCdf(middle) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** Probability of at most k successes of n with chance p each. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k < 0) return 0
  return k >= n ? 1 : betaCdf(1 - p, n - k, k + 1)
}

/** Probability that a chi-square number with so many degrees of freedom is above x (Abramowitz and Stegun 26.4.19). */
export function chiSquareSurvival(x: number, freedom: number): number {
  if (!(x > 0)) return 1
  const a = freedom / 2
  const half = x / 2
  const front = Math.exp(a * Math.log(half) - half - logGamma(a))
  if (half < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; n < MAX_TERMS && term > sum * CONVERGED; n++) {
      term *= half / (a + n)
      sum += term
    }
    return Math.max(0, 1 - front * sum)
  }
  // Continued fraction of the upper incomplete gamma function by Lentz's method.
  const tiny = 1e-300
  let b = half + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let value = d
  for (let n = 1; n < MAX_TERMS; n++) {
    const numerator = -n * (n - a)
    b += 2
    d = 1 / nonZero(numerator * d + b, tiny)
    c = nonZero(b + numerator / c, tiny)
    value *= d * c
    if (Math.abs(d * c - 1) <= 2 * CONVERGED) break
  }
  return front * value
}

/** Probability that a number of Kolmogorov's distribution is above x (Smirnov 1948). */
export function kolmogorovSurvival(x: number): number {
  if (!(x > 0)) return 1
  if (x < 1) {
    // The alternating series needs many terms here; this one is its theta transform.
    let sum = 0
    for (let k = 1; k < 20; k += 2) sum += Math.exp((-k * k * Math.PI ** 2) / (8 * x * x))
    return 1 - (Math.sqrt(2 * Math.PI) / x) * sum
  }
  let sum = 0
  for (let k = 1; k < 20; k++) sum += (k % 2 === 1 ? 1 : -1) * Math.exp(-2 * k * k * x * x)
  return Math.min(1, 2 * sum)
}
