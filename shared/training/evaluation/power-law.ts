/** A measured error rate at a number of rows that were learnt. */
export interface ErrorPoint {
  readonly rows: number
  /** Above 0. */
  readonly error: number
  /** Standard error of it. */
  readonly deviation: number
}

/** What twice the rows are likely to bring. */
export interface Forecast {
  readonly rows: number
  /** Error rate less than now, with two standard errors to either side. */
  readonly gain: number
  readonly low: number
  readonly high: number
}

/** With fewer points any law fits. */
const FEWEST = 4
/** Standard errors that a point may lie off the law, and a forecast off what came. */
const TOLERANCE = 2
/** Errors that no number of rows takes away, as shares of the last error. */
const FLOORS = Array.from({ length: 20 }, (_, i) => i / 20)

/**
 * Extrapolates error = a · rows^-b + c (Hestness et al. 2017) to twice the rows of the last point. Few points do not tell c:
 * laws for c from 0 to nearly the last error are fitted to the logarithms, with the inverse variances as weights, and
 * averaged by their likelihood. Null for fewer than four points, where none of the laws fits or falls, and where those of
 * the points before the last do not reach the last one.
 */
export function forecastDoubling(points: readonly ErrorPoint[]): Forecast | null {
  const last = points.at(-1)
  if (points.length < FEWEST || last === undefined) return null
  if (points.some(({ error }) => !(error > 0))) return null
  const now = average(fitLaws(points, last.error), last.rows)
  const before = average(fitLaws(points.slice(0, -1), last.error), last.rows)
  if (now === null || before === null) return null
  const missed = before.error - last.error
  if (Math.abs(missed) > TOLERANCE * Math.hypot(last.deviation, before.deviation)) return null
  return {
    rows: 2 * last.rows,
    gain: now.gain,
    low: Math.max(0, now.gain - TOLERANCE * now.gainDeviation),
    high: Math.min(last.error, now.gain + TOLERANCE * now.gainDeviation),
  }
}

/** log (error − floor) = level + slope · (log rows − centre). */
interface Law {
  readonly floor: number
  readonly centre: number
  readonly level: number
  readonly slope: number
  readonly levelDeviation: number
  readonly slopeDeviation: number
  /** Relative to other laws of the same points. */
  readonly likelihood: number
}

/** Laws that fall and that no point lies far off, one for each floor. */
function fitLaws(points: readonly ErrorPoint[], error: number): Law[] {
  return FLOORS.flatMap((share) => fitLaw(points, share * error) ?? [])
}

function fitLaw(points: readonly ErrorPoint[], floor: number): Law | null {
  if (points.some(({ error }) => error <= floor)) return null
  const logs = points.map(({ rows, error, deviation }) => {
    const spread = Math.max(deviation / (error - floor), 1e-6)
    return { x: Math.log(rows), y: Math.log(error - floor), weight: 1 / spread ** 2 }
  })
  const total = logs.reduce((sum, { weight }) => sum + weight, 0)
  const mean = (of: (log: (typeof logs)[number]) => number): number =>
    logs.reduce((sum, log) => sum + log.weight * of(log), 0) / total
  const centre = mean(({ x }) => x)
  const level = mean(({ y }) => y)
  const spread = mean(({ x }) => (x - centre) ** 2)
  const slope = mean(({ x, y }) => (x - centre) * (y - level)) / spread
  const residuals = logs.map(
    ({ x, y, weight }) => (y - level - slope * (x - centre)) * Math.sqrt(weight),
  )
  if (!(slope < 0) || residuals.some((residual) => Math.abs(residual) > TOLERANCE)) return null
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0)
  return {
    ...{ floor, centre, level, slope },
    levelDeviation: 1 / Math.sqrt(total),
    slopeDeviation: 1 / Math.sqrt(total * spread),
    likelihood: Math.exp(-squares / 2),
  }
}

/** What the laws say on average of a number of rows, and of twice as many. */
function average(laws: readonly Law[], rows: number) {
  const total = laws.reduce((sum, { likelihood }) => sum + likelihood, 0)
  if (total === 0) return null
  const said = laws.map(({ floor, centre, level, slope, ...law }) => {
    const x = Math.log(rows) - centre
    const above = Math.exp(level + slope * x)
    const share = 1 - 2 ** slope
    // Level and slope are uncorrelated where x is measured from its weighted mean.
    const bySlope = above * (x * share - Math.LN2 * 2 ** slope)
    return {
      weight: law.likelihood / total,
      error: floor + above,
      deviation: above * Math.hypot(law.levelDeviation, x * law.slopeDeviation),
      gain: above * share,
      gainDeviation: Math.hypot(above * share * law.levelDeviation, bySlope * law.slopeDeviation),
    }
  })
  const mean = (of: (law: (typeof said)[number]) => number): number =>
    said.reduce((sum, law) => sum + law.weight * of(law), 0)
  const [error, gain] = [mean((law) => law.error), mean((law) => law.gain)]
  return {
    ...{ error, gain },
    deviation: Math.sqrt(mean((law) => law.deviation ** 2 + (law.error - error) ** 2)),
    gainDeviation: Math.sqrt(mean((law) => law.gainDeviation ** 2 + (law.gain - gain) ** 2)),
  }
}
