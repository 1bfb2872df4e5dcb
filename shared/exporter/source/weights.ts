import { createHash, type Hash } from 'node:crypto'
import { EspalierError } from '../../lib/errors.ts'
import type { Architecture, TransformerConfig } from '../architectures/architecture.ts'
import { spreadBuckets } from '../architectures/positions.ts'
import { ARCHITECTURES } from '../architectures/table.ts'
import { describeWeights, openWeights } from './open-weights.ts'
import type { DenseConfig } from './sentence-config.ts'
import { findPrefix } from './tensor-names.ts'
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

/**
 * One transformer layer; `qkv` stacks query, key and value, `ffnIn` of a gated part what is activated and its factor.
 * The norms come behind attention and feed-forward, or before them, as the architecture's order says.
 */
export interface LayerWeights {
  readonly qkv: Linear
  readonly out: Linear
  /** Null where attention reads what comes in as it is. */
  readonly attentionNorm: Norm | null
  readonly ffnIn: Linear
  readonly ffnOut: Linear
  readonly outputNorm: Norm
}

/** All that an encoder graph is made from. */
export interface EncoderWeights {
  readonly config: TransformerConfig
  /** Shape [vocabulary, hidden]. */
  readonly words: Float32Array
  /** Shape [positions, hidden]: first usable row first, the type row of single texts added; null without a table. */
  readonly positions: Float32Array | null
  readonly positionCount: number
  /** What attention adds by distance, [heads, 2 · positions − 1] from the farthest key before; null for nothing. */
  readonly relative?: Float32Array | null
  readonly embeddingNorm: Norm
  readonly layers: readonly LayerWeights[]
  /** Behind the last layer; null where there is none. */
  readonly finalNorm?: Norm | null
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
    const architecture = ARCHITECTURES[config.architecture]
    const layout = architecture.tensors
    const prefix = findPrefix(file.names, layout.words)
    if (prefix === null) {
      throw new EspalierError(
        'invalid_model_file',
        `${await describeWeights(folder)}: has no tensor ${layout.words}.weight`,
      )
    }
    const { hidden } = config
    const reader = new TensorReader(file, prefix, hash)
    const words = await readWords(reader, config, architecture, rows)
    const positions = await readPositions(reader, config, architecture)
    const hasBias = config.biases?.norm ?? true
    const embeddingNorm = await reader.norm(layout.embeddingNorm, hidden, hasBias)
    const relative = await readRelative(reader, config, architecture)
    const layers: LayerWeights[] = []
    for (let i = 0; i < config.layers; i++) {
      layers.push(await readLayer(reader, config, architecture, i))
    }
    const finalNorm = layout.finalNorm && (await reader.norm(layout.finalNorm, hidden, hasBias))
    const dense = denseConfig && (await readDense(denseConfig, hidden, hash))
    const positionCount = config.positions - config.positionOffset
    const digest = hash.digest('hex')
    const rest = { embeddingNorm, layers, finalNorm: finalNorm || null, dense, digest }
    return { config, words, positions, positionCount, relative, ...rest }
  } finally {
    await file.close()
  }
}

/** Word vectors; without a table of positions the type row of single texts is added to them. */
async function readWords(
  reader: TensorReader,
  { vocabulary, hidden }: TransformerConfig,
  { tensors }: Architecture,
  rows: readonly number[] | null,
): Promise<Float32Array> {
  const table = `${tensors.words}.weight`
  const words =
    rows === null
      ? await reader.tensor(table, [vocabulary, hidden])
      : await reader.rows(table, rows, hidden)
  if (tensors.positions !== null || tensors.types === null) return words
  const types = await reader.firstRow(`${tensors.types}.weight`, hidden)
  return words.map((value, i) => value + (types[i % hidden] as number))
}

async function readPositions(
  reader: TensorReader,
  config: TransformerConfig,
  { tensors }: Architecture,
): Promise<Float32Array | null> {
  const { hidden, positions, positionOffset } = config
  if (tensors.positions === null) return null
  if (positions <= positionOffset) {
    throw new EspalierError('invalid_model_file', `config.json: only ${positions} positions`)
  }
  const table = await reader.tensor(`${tensors.positions}.weight`, [positions, hidden])
  const rows = table.slice(positionOffset * hidden)
  if (tensors.types === null) return rows
  const types = await reader.firstRow(`${tensors.types}.weight`, hidden)
  for (let i = 0; i < rows.length; i++)
    rows[i] = (rows[i] as number) + (types[i % hidden] as number)
  return rows
}

async function readRelative(
  reader: TensorReader,
  { heads, positions, positionOffset, relativeBuckets }: TransformerConfig,
  { tensors }: Architecture,
): Promise<Float32Array | null> {
  if (tensors.relative === null || relativeBuckets === undefined) return null
  const buckets = await reader.tensor(`${tensors.relative}.weight`, [relativeBuckets, heads])
  return spreadBuckets(buckets, heads, positions - positionOffset)
}

async function readLayer(
  reader: TensorReader,
  { hidden, intermediate, biases }: TransformerConfig,
  { tensors, block }: Architecture,
  index: number,
): Promise<LayerWeights> {
  const at = `${tensors.layer}${index}.`
  const attention = biases?.attention ?? true
  const ffn = biases?.ffn ?? true
  const norm = biases?.norm ?? true
  const inner = block.feedForward === 'gated' ? 2 * intermediate : intermediate
  const isBare = block.skipsFirstNorm && index === 0
  return {
    qkv: await readStack(reader, at, tensors.qkv, hidden, 3 * hidden, attention),
    out: await reader.linear(at + tensors.out, hidden, hidden, attention),
    attentionNorm: isBare ? null : await reader.norm(at + tensors.attentionNorm, hidden, norm),
    ffnIn: await readStack(reader, at, tensors.ffnIn, hidden, inner, ffn),
    ffnOut: await reader.linear(at + tensors.ffnOut, intermediate, hidden, ffn),
    outputNorm: await reader.norm(at + tensors.outputNorm, hidden, norm),
  }
}

/** Tensors of equal heights, one below the other. */
async function readStack(
  reader: TensorReader,
  at: string,
  names: readonly string[],
  inputs: number,
  outputs: number,
  hasBias: boolean,
): Promise<Linear> {
  const parts: Linear[] = []
  for (const name of names) {
    parts.push(await reader.linear(at + name, inputs, outputs / names.length, hasBias))
  }
  return parts.length === 1 ? (parts[0] as Linear) : stackLinears(parts)
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
