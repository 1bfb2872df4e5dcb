import type { BenchPrecision } from '../contestants/own.ts'
import type { EncoderShape } from './products-graph.ts'
import type { RunShape } from './run-products.ts'

/** What the process of the matrix products is started with. */
export interface MatrixOptions {
  readonly precision: BenchPrecision
  readonly shape: EncoderShape
  readonly workers: number
  /** All runs that will be asked for. */
  readonly runs: readonly RunShape[]
}

/** Runs to do once, shared among the threads. */
export interface MatrixRequest {
  readonly kind: 'products'
  readonly runs: readonly RunShape[]
}

export interface MatrixReply {
  readonly kind: 'products'
  readonly ms: number
}

/** From the process to its threads; `next` counts the runs taken by any of them. */
export type ToThread =
  | { readonly type: 'run'; readonly runs: readonly RunShape[]; readonly next: Int32Array }
  | { readonly type: 'stop' }
