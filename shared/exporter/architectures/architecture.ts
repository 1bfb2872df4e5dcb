import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { ArchitectureName } from '../../lib/manifests/encoder-manifest.ts'

const ACTIVATIONS = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu'] as const
export type Activation = (typeof ACTIVATIONS)[number]

/** The transformer's shape, the same words for every architecture. */
export interface TransformerConfig {
  readonly architecture: ArchitectureName
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly intermediate: number
  readonly vocabulary: number
  /** Rows of the position table in the file. */
  readonly positions: number
  /** Row of the position table that the first token uses; RoBERTa counts from its padding id. */
  readonly positionOffset: number
  readonly activation: Activation
  readonly layerNormEpsilon: number
  readonly padId: number
}

/** Where an architecture keeps the tensors of its layers, relative to the model's prefix and to the layer. */
export interface TensorLayout {
  /** What the names of a layer's tensors begin with, before its number. */
  readonly layer: string
  readonly attention: readonly [query: string, key: string, value: string, out: string]
  readonly attentionNorm: string
  readonly ffn: readonly [inner: string, outer: string]
  readonly outputNorm: string
  /** Whether there is a table of token types, whose first row is added to every token. */
  readonly types: boolean
}

/** Where a `…ForSequenceClassification` of transformers keeps what is above the state of its first token. */
export interface SequenceHeadLayout {
  /** The layer between that state and the output layer. */
  readonly dense: { readonly tensor: string; readonly activation: 'Tanh' | 'ReLU' }
  /** The output layer, one row for each label. */
  readonly output: string
}

/** How a layer computes: the text graphs have a builder for each. */
export type Block = 'post-norm'

/** All that the exporter needs to know of one architecture. */
export interface Architecture {
  /** Reads `config.json`. */
  readonly config: z.ZodType<TransformerConfig>
  readonly tensors: TensorLayout
  readonly block: Block
  /** Absent where classifiers are exported without their output layer only. */
  readonly sequenceHead?: SequenceHeadLayout
}

/** A size in a configuration. */
export const count = z.int().min(1).max(1_000_000)

/** @throws EspalierError `unsupported_model` listing the activations that there are */
export function supportedActivation(name: string): Activation {
  const known = ACTIVATIONS.find((activation) => activation === name)
  if (known) return known
  throw new EspalierError(
    'unsupported_model',
    `config.json: activation ${name}; supported: ${ACTIVATIONS.join(', ')}`,
  )
}
