import { ELEMENT_TYPES, type GraphBuilder } from '../../onnx/graph.ts'
import { type RopeTables, ropeTables } from '../architectures/positions.ts'
import type { Numerics } from './numerics.ts'

/** What positions add to one kind of attention. */
export interface PositionOptions {
  readonly numerics: Numerics
  readonly headSize: number
  /** A value of shape [batch, tokens]. */
  readonly ids: string
  /** Tokens of the longest text. */
  readonly positions: number
  /** Base of the wavelengths; null without rotation. */
  readonly ropeBase: number | null
  readonly window: number | null
  /** By distance, [heads, 2 · positions − 1]; null for nothing. */
  readonly relative: Float32Array | null
}

/** An additive mask that makes exp() exactly zero and still fits half precision. */
export const MASKED_SCORE = 10_000

/**
 * What is added to scores by the distance of key and query, [1, heads or 1, tokens, tokens]: biases, and a window beyond
 * which nothing is seen. Null where nothing is.
 */
export function addDistanceBias(g: GraphBuilder, options: PositionOptions): string | null {
  const { numerics: n, ids, positions, window, relative } = options
  const values = tabulate(options)
  if (values === null) return null
  const width = 2 * positions - 1
  const name = `attention.bias_${window ?? 'all'}${relative ? '_relative' : ''}`
  const table = n.constant(g, name, [values.length / width, width], values)
  const keys = takeTokens(g, ids, 'key_places', positions, positions - 1)
  const queries = takeTokens(g, ids, 'query_places', positions, 0)
  const distances = g.op('Sub', [
    g.op('Unsqueeze', [keys, g.int64s(0)]),
    g.op('Unsqueeze', [queries, g.int64s(1)]),
  ])
  return g.op('Unsqueeze', [g.op('Gather', [table, distances], { axis: 1 }), g.int64s(0)])
}

/** Values by distance, the key farthest before the query first. */
function tabulate({ positions, window, relative }: PositionOptions): Float32Array | null {
  if (window === null || window >= positions - 1) return relative
  const width = 2 * positions - 1
  const values = relative === null ? new Float32Array(width) : relative.slice()
  return values.map((value, at) =>
    Math.abs((at % width) - (positions - 1)) > window ? value - MASKED_SCORE : value,
  )
}

/** The numbers from `first` on, one for each token of a run, int32. */
function takeTokens(
  g: GraphBuilder,
  ids: string,
  name: string,
  positions: number,
  first: number,
): string {
  const places = `attention.${name}`
  if (!g.has(places)) {
    const numbers = Int32Array.from({ length: positions }, (_, i) => first + i)
    g.constant(places, 'int32', [positions], numbers)
  }
  const tokens = g.op('Shape', [ids], { start: 1, end: 2 })
  return g.op('Slice', [places, g.int64s(0), tokens, g.int64s(0)])
}

/** Rotates values [batch, tokens, heads · size] by ONNX's operator. */
export function fuseRotation(
  g: GraphBuilder,
  options: PositionOptions & { readonly ropeBase: number },
): (value: string, heads: number) => string {
  const { ids, positions } = options
  const [cos, sin] = addTables(g, options)
  const places = takeTokens(g, ids, 'query_places', positions, 0)
  const row = g.op('Unsqueeze', [g.op('Cast', [places], { to: ELEMENT_TYPES.int64 }), g.int64s(0)])
  const everywhere = g.op('Expand', [row, g.op('Shape', [ids])])
  return (value, heads) =>
    g.op('RotaryEmbedding', [value, cos, sin, everywhere], { num_heads: heads })
}

/** Rotates values [..., tokens, size] in plain operators: (a, b) → (a·cos − b·sin, b·cos + a·sin) by halves. */
export function composeRotation(
  g: GraphBuilder,
  options: PositionOptions & { readonly ropeBase: number },
): (value: string) => string {
  const { ids, headSize } = options
  const half = headSize / 2
  const tokens = g.op('Shape', [ids], { start: 1, end: 2 })
  const [cos, sin] = addTables(g, options).map((table) =>
    g.op('Slice', [table, g.int64s(0), tokens, g.int64s(0)]),
  ) as [string, string]
  return (value) => {
    const [a, b] = g.ops('Split', [value, g.int64s(half, half)], 2, { axis: -1 }) as [
      string,
      string,
    ]
    const first = g.op('Sub', [g.op('Mul', [a, cos]), g.op('Mul', [b, sin])])
    const second = g.op('Add', [g.op('Mul', [b, cos]), g.op('Mul', [a, sin])])
    return g.op('Concat', [first, second], { axis: -1 })
  }
}

function addTables(
  g: GraphBuilder,
  { numerics: n, headSize, positions, ropeBase }: PositionOptions & { readonly ropeBase: number },
): [cos: string, sin: string] {
  const tables = ropeTables(ropeBase, headSize, positions)
  const add = (name: keyof RopeTables) =>
    n.constant(g, `attention.${name}_${ropeBase}`, [positions, headSize / 2], tables[name])
  return [add('cos'), add('sin')]
}
