import { createHash, type Hash } from 'node:crypto'
import { EspalierError } from '../../lib/errors.ts'
import type { TensorLayout, TransformerConfig } from '../architectures/architecture.ts'
import { ARCHITECTURES } from '../architectures/table.ts'
import { describeWeights, openWeights } from './open-weights.ts'
import type { DenseConfig } from './sentence-config.ts'
import { findPrefix, WORD_TABLE } from './tensor-names.ts'
import { TensorReader } from './tensor-reader.ts'

/** y = x·weightᵀ + bias, weight of shape [outputs, inputs] as PyTorch stores it. */
export interface Linear {
  readonly inputs: number
  readonly outputs: number
  readonly weight: Float32Array
  readonly bias: Float32Array
}

/** Scale and shift of a layer normalisation, shape [hidden] each. */
export interface Norm {
  readonly gamma: Float32Array
  readonly beta: Float32Array
}

/** One transformer layer; `qkv` stacks query, key and value. */
export interface LayerWeights {
  readonly qkv: Linear
  readonly out: Linear
  readonly attentionNorm: Norm
  readonly ffnIn: Linear
  readonly ffnOut: Linear
  readonly outputNorm: Norm
}

/** All that an encoder graph is made from. */
export interface EncoderWeights {
  readonly config: TransformerConfig
  /** Shape [vocabulary, hidden]. */
  readonly words: Float32Array
  /** Shape [positions, hidden]: first usable row first, the type row of single texts added. */
  readonly positions: Float32Array
  readonly positionCount: number
  readonly embeddingNorm: Norm
  readonly layers: readonly LayerWeights[]
  readonly dense: (Linear & { readonly activation: DenseConfig['activation'] }) | null
  /** sha256 over names, shapes and float32 values of every tensor used. */
  readonly digest: string
}

/**
 * Loads the weights that a graph needs and nothing else.
 * @param rows of the table of word vectors, where not all stay: `config.vocabulary` of them
 * @throws EspalierError `invalid_model_file` for missing tensors and wrong shapes
 */
export async function loadWeights(
  folder: string,
  config: TransformerConfig,
  denseConfig: DenseConfig | null,
  rows: readonly number[] | null = null,
): Promise<EncoderWeights> {
  const hash = createHash('sha256')
  const file = await openWeights(folder)
  try {
    const prefix = findPrefix(file.names)
    if (prefix === null) {
      throw new EspalierError(
        'invalid_model_file',
        `${await describeWeights(folder)}: has no tensor ${WORD_TABLE}`,
      )
    }
    const reader = new TensorReader(file, prefix, hash)
    const layout = ARCHITECTURES[config.architecture].tensors
    const words =
      rows === null
        ? await reader.tensor(WORD_TABLE, [config.vocabulary, config.hidden])
        : await reader.rows(WORD_TABLE, rows, config.hidden)
    const positions = await readPositions(reader, config, layout.types)
    const embeddingNorm = await reader.norm('embeddings.LayerNorm', config.hidden)
    const layers: LayerWeights[] = []
    for (let i = 0; i < config.layers; i++) layers.push(await readLayer(reader, config, layout, i))
    const dense = denseConfig && (await readDense(denseConfig, config.hidden, hash))
    const positionCount = config.positions - config.positionOffset
    const digest = hash.digest('hex')
    return { config, words, positions, positionCount, embeddingNorm, layers, dense, digest }
  } finally {
    await file.close()
  }
}

async function readPositions(
  reader: TensorReader,
  config: TransformerConfig,
  hasTypes: boolean,
): Promise<Float32Array> {
  const { hidden, positions, positionOffset } = config
  if (positions <= positionOffset) {
    throw new EspalierError('invalid_model_file', `config.json: only ${positions} positions`)
  }
  const table = await reader.tensor('embeddings.position_embeddings.weight', [positions, hidden])
  const rows = table.slice(positionOffset * hidden)
  if (!hasTypes) return rows
  const types = await reader.typeRow(hidden)
  for (let i = 0; i < rows.length; i++)
    rows[i] = (rows[i] as number) + (types[i % hidden] as number)
  return rows
}

async function readLayer(
  reader: TensorReader,
  { hidden, intermediate }: TransformerConfig,
  layout: TensorLayout,
  index: number,
): Promise<LayerWeights> {
  const at = `${layout.layer}${index}.`
  const [query, key, value, out] = layout.attention
  const parts = [
    await reader.linear(at + query, hidden, hidden),
    await reader.linear(at + key, hidden, hidden),
    await reader.linear(at + value, hidden, hidden),
  ]
  return {
    qkv: stackLinears(parts),
    out: await reader.linear(at + out, hidden, hidden),
    attentionNorm: await reader.norm(at + layout.attentionNorm, hidden),
    ffnIn: await reader.linear(at + layout.ffn[0], hidden, intermediate),
    ffnOut: await reader.linear(at + layout.ffn[1], intermediate, hidden),
    outputNorm: await reader.norm(at + layout.outputNorm, hidden),
  }
}

function stackLinears(parts: readonly Linear[]): Linear {
  const inputs = parts[0]?.inputs ?? 0
  const outputs = parts.reduce((sum, part) => sum + part.outputs, 0)
  const weight = new Float32Array(outputs * inputs)
  const bias = new Float32Array(outputs)
  let row = 0
  for (const part of parts) {
    weight.set(part.weight, row * inputs)
    bias.set(part.bias, row)
    row += part.outputs
  }
  return { inputs, outputs, weight, bias }
}

async function readDense(
  config: DenseConfig,
  hidden: number,
  hash: Hash,
): Promise<NonNullable<EncoderWeights['dense']>> {
  if (config.inputs !== hidden) {
    throw new EspalierError(
      'invalid_model_file',
      `Dense config.json: in_features ${config.inputs}, but the transformer gives ${hidden}`,
    )
  }
  return readDenseFile(config, hash)
}

async function readDenseFile(
  config: DenseConfig,
  hash: Hash,
): Promise<NonNullable<EncoderWeights['dense']>> {
  const file = await openWeights(config.folder)
  try {
    const reader = new TensorReader(file, '', hash)
    const linear = await reader.linear(
      config.tensor ?? 'linear',
      config.inputs,
      config.outputs,
      config.bias,
    )
    return { ...linear, activation: config.activation }
  } finally {
    await file.close()
  }
}

/** Reads a dense layer alone, for encoders whose transformer is somebody else's graph. */
export async function loadDense(
  config: DenseConfig,
): Promise<NonNullable<EncoderWeights['dense']>> {
  return readDenseFile(config, createHash('sha256'))
}
