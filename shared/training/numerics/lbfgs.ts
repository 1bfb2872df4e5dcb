/** A smooth function and its gradient at a point. */
export interface Evaluated {
  readonly value: number
  readonly gradient: Float64Array
}

export interface MinimizeOptions {
  readonly start: Float64Array
  /** Applies an approximate inverse Hessian in place. */
  readonly precondition: (vector: Float64Array) => void
  /** Stops when the estimated distance to the minimum, g·H·g / 2, falls below this. */
  readonly tolerance: number
  readonly maxIterations: number
  /** Pairs of steps kept. @default 8 */
  readonly history?: number
}

export interface Minimum extends Evaluated {
  readonly point: Float64Array
  readonly iterations: number
}

/** A step, how the gradient changed over it, and their inner product. */
interface Pair {
  readonly step: Float64Array
  readonly change: Float64Array
  readonly curvature: number
}

type Objective = (point: Float64Array) => Promise<Evaluated>

const ARMIJO = 1e-4
const CURVATURE = 0.9
const MAX_LINE_STEPS = 20
/** Below this relative change a float32 kernel shows rounding only: then slopes decide, not values. */
const VALUE_NOISE = 1e-6

/**
 * L-BFGS with a preconditioner and a strong-Wolfe line search (Nocedal and Wright, algorithms 7.5, 3.5
 * and 3.6; near the minimum with the approximate Wolfe test of Hager and Zhang 2005).
 */
export async function minimize(objective: Objective, options: MinimizeOptions): Promise<Minimum> {
  const history = options.history ?? 8
  const pairs: Pair[] = []
  let point: Float64Array = options.start.slice()
  let current = await objective(point)
  let iterations = 0
  while (iterations < options.maxIterations) {
    const direction = twoLoop(current.gradient, pairs, options.precondition)
    let slope = dot(direction, current.gradient)
    if (slope >= 0) {
      pairs.length = 0
      direction.set(current.gradient)
      options.precondition(direction)
      for (let i = 0; i < direction.length; i++) direction[i] = -direction[i]!
      slope = dot(direction, current.gradient)
    }
    if (-slope / 2 <= options.tolerance) break
    const found = await searchLine(objective, point, direction, current, slope)
    if (!found) break
    iterations++
    const change = subtract(found.evaluated.gradient, current.gradient)
    const step = subtract(found.point, point)
    const curvature = dot(step, change)
    if (curvature > 0) {
      pairs.push({ step, change, curvature })
      if (pairs.length > history) pairs.shift()
    }
    point = found.point
    current = found.evaluated
  }
  return { ...current, point, iterations }
}

function twoLoop(
  gradient: Float64Array,
  pairs: readonly Pair[],
  precondition: (vector: Float64Array) => void,
): Float64Array {
  const q = gradient.slice()
  const weights = new Float64Array(pairs.length)
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { step, change, curvature } = pairs[i]!
    weights[i] = dot(step, q) / curvature
    addScaled(q, change, -weights[i]!)
  }
  const last = pairs.at(-1)
  if (last) {
    const scaled = last.change.slice()
    precondition(scaled)
    const gamma = last.curvature / dot(last.change, scaled)
    precondition(q)
    for (let i = 0; i < q.length; i++) q[i] = q[i]! * gamma
  } else precondition(q)
  pairs.forEach(({ step, change, curvature }, i) => {
    addScaled(q, step, weights[i]! - dot(change, q) / curvature)
  })
  for (let i = 0; i < q.length; i++) q[i] = -q[i]!
  return q
}

interface LinePoint {
  readonly t: number
  readonly slope: number
  readonly point: Float64Array
  readonly evaluated: Evaluated
}

async function searchLine(
  objective: Objective,
  origin: Float64Array,
  direction: Float64Array,
  start: Evaluated,
  slope0: number,
): Promise<LinePoint | null> {
  const noise = VALUE_NOISE * Math.abs(start.value)
  const at = async (t: number): Promise<LinePoint> => {
    const point = origin.slice()
    addScaled(point, direction, t)
    const evaluated = await objective(point)
    return { t, point, evaluated, slope: dot(evaluated.gradient, direction) }
  }
  const isLowEnough = ({ t, slope, evaluated }: LinePoint): boolean =>
    evaluated.value <= start.value + ARMIJO * t * slope0 ||
    (evaluated.value <= start.value + noise && slope <= (2 * ARMIJO - 1) * slope0)
  let low: LinePoint = { t: 0, slope: slope0, point: origin, evaluated: start }
  let high: LinePoint | null = null
  let t = 1
  for (let i = 0; i < MAX_LINE_STEPS; i++) {
    const trial = await at(t)
    if (!Number.isFinite(trial.evaluated.value) || !isLowEnough(trial)) high = trial
    else if (Math.abs(trial.slope) <= -CURVATURE * slope0) return trial
    else if (trial.slope > 0) high = trial
    else low = trial
    t = high ? interpolate(low, high) : t * 2
    if (high && Math.abs(high.t - low.t) < 1e-9) break
  }
  return low.t > 0 ? low : null
}

/** The minimum of the cubic through both ends, kept away from them; the middle where it has none. */
function interpolate(a: LinePoint, b: LinePoint): number {
  const width = b.t - a.t
  const middle = a.t + width / 2
  const d1 = a.slope + b.slope - (3 * (a.evaluated.value - b.evaluated.value)) / (a.t - b.t)
  const root = d1 * d1 - a.slope * b.slope
  if (!(root >= 0)) return middle
  const d2 = Math.sign(width) * Math.sqrt(root)
  const t = b.t - (width * (b.slope + d2 - d1)) / (b.slope - a.slope + 2 * d2)
  const margin = 0.1 * Math.abs(width)
  const inside = t > Math.min(a.t, b.t) + margin && t < Math.max(a.t, b.t) - margin
  return inside ? t : middle
}

/** Four sums side by side: one alone would wait for each addition to end. */
function dot(a: Float64Array, b: Float64Array): number {
  const whole = a.length - (a.length % 4)
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  for (let i = 0; i < whole; i += 4) {
    s0 += a[i]! * b[i]!
    s1 += a[i + 1]! * b[i + 1]!
    s2 += a[i + 2]! * b[i + 2]!
    s3 += a[i + 3]! * b[i + 3]!
  }
  for (let i = whole; i < a.length; i++) s0 += a[i]! * b[i]!
  return s0 + s1 + s2 + s3
}

function addScaled(target: Float64Array, vector: Float64Array, scale: number): void {
  for (let i = 0; i < target.length; i++) target[i] = target[i]! + scale * vector[i]!
}

function subtract(a: Float64Array, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length)
  for (let i = 0; i < out.length; i++) out[i] = a[i]! - b[i]!
  return out
}
