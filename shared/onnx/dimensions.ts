import type { Dimension } from './graph.ts'

/** Sizes of a value, one per axis; a string is a product of numbers and free names: `batch*tokens`. */
export type Shape = readonly Dimension[]

interface Factors {
  readonly count: number
  readonly names: readonly string[]
}

/** The product of dimensions, in the one spelling that equal products share. */
export function multiplyDimensions(dimensions: Shape): Dimension {
  return spell(factorsOf(dimensions))
}

/** `whole` divided by a product that it contains; null where that is not certain. */
export function divideDimensions(whole: Shape, parts: Shape): Dimension | null {
  const { count, names } = factorsOf(whole)
  const divisor = factorsOf(parts)
  if (divisor.count === 0 || count % divisor.count !== 0) return null
  const rest = [...names]
  for (const name of divisor.names) {
    const at = rest.indexOf(name)
    if (at < 0) return null
    rest.splice(at, 1)
  }
  return spell({ count: count / divisor.count, names: rest })
}

/** What two shapes make together by NumPy's broadcasting; null where they do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Shape | null {
  const rank = Math.max(a.length, b.length)
  const result: Dimension[] = []
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    if (left !== right && left !== 1 && right !== 1) return null
    result.push(left === 1 ? right : left)
  }
  return result
}

/** An axis counted from the front. */
export function frontAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}

function factorsOf(dimensions: Shape): Factors {
  let count = 1
  const names: string[] = []
  for (const dimension of dimensions) {
    for (const part of String(dimension).split('*')) {
      if (/^\d+$/.test(part)) count *= Number(part)
      else names.push(part)
    }
  }
  return { count, names: names.sort() }
}

function spell({ count, names }: Factors): Dimension {
  if (names.length === 0) return count
  return count === 1 ? names.join('*') : [count, ...names].join('*')
}
