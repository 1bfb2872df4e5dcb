import type { GraphBuilder } from '../../onnx/graph.ts'
import type { Linear, Norm } from '../source/weights.ts'
import type { AddAttention, AttentionOptions } from './attention-graph.ts'
import type { Numerics } from './numerics.ts'

/** Which linear layer of the transformer is meant. */
export type SiteKind = 'qkv' | 'out' | 'ffnIn' | 'ffnOut'

/** One linear layer, by its place: the unit of quantisation and of calibration. */
export interface Site {
  readonly layer: number
  readonly kind: SiteKind
}

/** A layer normalisation, in the two forms that are read. */
export interface Normed {
  /** For the linear layer after it. */
  readonly input: string
  /** For the addition that closes the residual, together with the output of the linear layer before it. */
  readonly residual: string
}

/** How a precision computes the parts that differ: word rows, normalisations and linear layers. */
export interface Dialect {
  readonly numerics: Numerics
  /** Shape of matrices between operators: [tokens of all texts, width] or [batch, tokens, width]. */
  readonly rows: 'flat' | 'batched'
  /** Word vectors of shape [batch, tokens, hidden] for ids [batch, tokens]. */
  words(g: GraphBuilder, ids: string): string
  /** Normalises a sum for the linear layer `next`, or for pooling where that is null. */
  norm(g: GraphBuilder, name: string, sum: string, norm: Norm, next: Site | null): Normed
  /** The same where the residual is the sum itself: what the linear layer `next` reads. */
  normInput(g: GraphBuilder, name: string, sum: string, norm: Norm, next: Site): string
  /** Outputs of a linear layer: query, key and value for `qkv` as attention takes them, one value otherwise. */
  linear(g: GraphBuilder, site: Site, input: string, linear: Linear): string[]
  /** Attention on rows as `linear` gives them. @default on three values [batch, tokens, hidden] */
  readonly attention?: (
    g: GraphBuilder,
    options: AttentionOptions,
  ) => AddAttention<readonly string[]>
}
