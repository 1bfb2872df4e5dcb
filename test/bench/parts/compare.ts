import type { TransformersSpec } from '../contestants/transformers-peer.ts'
import { cosine, median } from '../lib/statistics.ts'

/** The peer's file of the same precision. */
export const SAME_PRECISION = { int8: 'tjs-q8', float32: 'tjs-fp32' } as const

/** Times of the peer's fastest batch size, or null when it did not run. */
export function fastest(
  found: readonly { readonly name: string; readonly ms: readonly number[] }[],
  transformers: readonly TransformersSpec[],
  peer: TransformersSpec['peer'],
): readonly number[] | null {
  const names = transformers.filter((spec) => spec.peer === peer).map(({ name }) => name)
  const times = found.filter(({ name }) => names.includes(name)).map(({ ms }) => ms)
  return times.sort((a, b) => median(a) - median(b))[0] ?? null
}

/** The lowest cosine of vectors to those of the baseline, row by row. */
export function lowestCosine(
  found: readonly (readonly number[])[],
  baseline: readonly (readonly number[])[],
): number {
  return Math.min(...found.map((vector, row) => cosine(vector, baseline[row] ?? [])))
}
