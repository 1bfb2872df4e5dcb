import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { ArchitectureName } from '../../lib/manifests/encoder-manifest.ts'

const ACTIVATIONS = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu'] as const
/** Those of the gate of a gated feed-forward part. */
const GATE_ACTIVATIONS = [...ACTIVATIONS, 'silu'] as const
export type Activation = (typeof GATE_ACTIVATIONS)[number]

/** What the attention of one layer has beside products of queries and keys. */
export interface LayerAttention {
  /** Base of the wavelengths that queries and keys are rotated by; null without rotation. */
  readonly ropeBase: number | null
  /** A token sees those at most so far on either side; null for all. */
  readonly window: number | null
}

/** The transformer's shape, the same words for every architecture. */
export interface TransformerConfig {
  readonly architecture: ArchitectureName
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly intermediate: number
  readonly vocabulary: number
  /** Rows of the position table in the file; without a table the longest text that was trained. */
  readonly positions: number
  /** Row of the position table that the first token uses; RoBERTa counts from its padding id. */
  readonly positionOffset: number
  readonly activation: Activation
  readonly layerNormEpsilon: number
  readonly padId: number
  /** Of each layer. @default none of it */
  readonly attention?: readonly LayerAttention[]
  /** Rows of the table of biases by distance. @default no such table */
  readonly relativeBuckets?: number
  /** Which parts have biases in the file. @default all */
  readonly biases?: { readonly attention: boolean; readonly ffn: boolean; readonly norm: boolean }
}

/** Where an architecture keeps its tensors, relative to the model's prefix and, in layers, to the layer. */
export interface TensorLayout {
  readonly words: string
  /** The table of learned positions; null without one. */
  readonly positions: string | null
  /** The table of token types, whose first row is added to every token; null without one. */
  readonly types: string | null
  readonly embeddingNorm: string
  /** Biases by distance that all layers share, [buckets, heads]; null without them. */
  readonly relative: string | null
  /** What the names of a layer's tensors begin with, before its number. */
  readonly layer: string
  /** Query, key and value, or one tensor that holds them one below the other. */
  readonly qkv: readonly string[]
  readonly out: string
  readonly attentionNorm: string
  /** Of a gated part the one that is activated, then its factor; or one tensor that holds both. */
  readonly ffnIn: readonly string[]
  readonly ffnOut: string
  readonly outputNorm: string
  /** The normalisation behind the last layer; null without one. */
  readonly finalNorm: string | null
}

/** Where a `…ForSequenceClassification` of transformers keeps what is above the state of its first token. */
export interface SequenceHeadLayout {
  /** The layer between that state and the output layer. */
  readonly dense: { readonly tensor: string; readonly activation: 'Tanh' | 'ReLU' }
  /** The output layer, one row for each label. */
  readonly output: string
}

/** How a layer computes. */
export interface Block {
  /** Whether sums are normalised (`post`), or what attention and feed-forward read (`pre`). */
  readonly order: 'post' | 'pre'
  /** `gated`: one half of the inner values, activated, times the other. */
  readonly feedForward: 'plain' | 'gated'
  /** Whether the first layer's attention reads the embeddings as they are. */
  readonly skipsFirstNorm: boolean
}

/** All that the exporter needs to know of one architecture. */
export interface Architecture {
  /** Reads `config.json`. */
  readonly config: z.ZodType<TransformerConfig>
  readonly tensors: TensorLayout
  readonly block: Block
  /** Absent where classifiers are exported without their output layer only. */
  readonly sequenceHead?: SequenceHeadLayout
}

/** BERT's layer. */
export const POST_NORM: Block = { order: 'post', feedForward: 'plain', skipsFirstNorm: false }

/** A size in a configuration. */
export const count = z.int().min(1).max(1_000_000)

/** @throws EspalierError `unsupported_model` listing the activations that there are */
export function supportedActivation(
  name: string,
  feedForward: Block['feedForward'] = 'plain',
): Activation {
  const known: readonly Activation[] = feedForward === 'gated' ? GATE_ACTIVATIONS : ACTIVATIONS
  const found = known.find((activation) => activation === name)
  if (found) return found
  throw new EspalierError(
    'unsupported_model',
    `config.json: activation ${name}; supported: ${known.join(', ')}`,
  )
}
