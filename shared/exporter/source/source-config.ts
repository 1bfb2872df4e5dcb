import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { readJsonFile } from './json-file.ts'

const count = z.int().min(1).max(1_000_000)

const ACTIVATIONS = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu'] as const
export type Activation = (typeof ACTIVATIONS)[number]

const ARCHITECTURES = ['bert', 'distilbert', 'roberta'] as const
export type Architecture = (typeof ARCHITECTURES)[number]

export const POOLINGS = ['mean', 'cls', 'max'] as const
export type Pooling = (typeof POOLINGS)[number]

const bertConfigSchema = z.object({
  hidden_size: count.max(8192),
  num_hidden_layers: count.max(128),
  num_attention_heads: count.max(256),
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count,
  hidden_act: z.string().default('gelu'),
  layer_norm_eps: z.number().gt(0).lt(1).default(1e-12),
  pad_token_id: z.int().min(0).nullish(),
  position_embedding_type: z.string().nullish(),
})

const distilbertConfigSchema = z.object({
  dim: count.max(8192),
  n_layers: count.max(128),
  n_heads: count.max(256),
  hidden_dim: count,
  vocab_size: count,
  max_position_embeddings: count,
  activation: z.string().default('gelu'),
  pad_token_id: z.int().min(0).nullish(),
})

/** The transformer's shape, the same words for every architecture. */
export interface TransformerConfig {
  readonly architecture: Architecture
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

/** Reads and checks `config.json`. @throws EspalierError `unsupported_model` naming what is supported */
export async function readTransformerConfig(folder: string): Promise<TransformerConfig> {
  const path = join(folder, 'config.json')
  const head = await readJsonFile(path, z.looseObject({ model_type: z.string().max(64) }))
  if (head === null) {
    throw new EspalierError('invalid_model_file', `${folder}: has no config.json`)
  }
  const architecture = ARCHITECTURES.find((name) => name === head.model_type)
  if (architecture === undefined) {
    throw new EspalierError(
      'unsupported_model',
      `config.json: model_type ${head.model_type}; supported: ${ARCHITECTURES.join(', ')}, or any encoder as onnx/model.onnx`,
    )
  }
  const config =
    architecture === 'distilbert' ? await distilbert(path) : await bert(path, architecture)
  if (config.hidden % config.heads !== 0) {
    throw new EspalierError(
      'invalid_model_file',
      `config.json: hidden size ${config.hidden} is not a multiple of ${config.heads} heads`,
    )
  }
  return config
}

async function bert(path: string, architecture: Architecture): Promise<TransformerConfig> {
  const c = required(await readJsonFile(path, bertConfigSchema))
  if (c.position_embedding_type && c.position_embedding_type !== 'absolute') {
    throw new EspalierError(
      'unsupported_model',
      `config.json: position_embedding_type ${c.position_embedding_type}; supported: absolute`,
    )
  }
  const padId = c.pad_token_id ?? (architecture === 'roberta' ? 1 : 0)
  return {
    architecture,
    hidden: c.hidden_size,
    layers: c.num_hidden_layers,
    heads: c.num_attention_heads,
    intermediate: c.intermediate_size,
    vocabulary: c.vocab_size,
    positions: c.max_position_embeddings,
    positionOffset: architecture === 'roberta' ? padId + 1 : 0,
    activation: supportedActivation(c.hidden_act),
    layerNormEpsilon: c.layer_norm_eps,
    padId,
  }
}

async function distilbert(path: string): Promise<TransformerConfig> {
  const c = required(await readJsonFile(path, distilbertConfigSchema))
  return {
    architecture: 'distilbert',
    hidden: c.dim,
    layers: c.n_layers,
    heads: c.n_heads,
    intermediate: c.hidden_dim,
    vocabulary: c.vocab_size,
    positions: c.max_position_embeddings,
    positionOffset: 0,
    activation: supportedActivation(c.activation),
    layerNormEpsilon: 1e-12,
    padId: c.pad_token_id ?? 0,
  }
}

function supportedActivation(name: string): Activation {
  const known = ACTIVATIONS.find((activation) => activation === name)
  if (known) return known
  throw new EspalierError(
    'unsupported_model',
    `config.json: activation ${name}; supported: ${ACTIVATIONS.join(', ')}`,
  )
}

function required<T>(value: T | null): T {
  if (value === null) throw new EspalierError('invalid_model_file', 'config.json disappeared')
  return value
}
