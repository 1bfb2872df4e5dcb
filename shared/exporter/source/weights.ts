import { createHash, type Hash } from 'node:crypto'
import { join } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { openSafetensors, type SafetensorsFile } from './safetensors.ts'
import type { DenseConfig } from './sentence-config.ts'
import type { Architecture, TransformerConfig } from './source-config.ts'

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

/** Where an architecture keeps its tensors, relative to the model's prefix. */
interface TensorNames {
  readonly layer: string
  readonly attention: readonly [string, string, string, string]
  readonly attentionNorm: string
  readonly ffn: readonly [string, string]
  readonly outputNorm: string
  readonly types: boolean
}

const BERT_NAMES: TensorNames = {
  layer: 'encoder.layer.',
  attention: [
    'attention.self.query',
    'attention.self.key',
    'attention.self.value',
    'attention.output.dense',
  ],
  attentionNorm: 'attention.output.LayerNorm',
  ffn: ['intermediate.dense', 'output.dense'],
  outputNorm: 'output.LayerNorm',
  types: true,
}

const TENSOR_NAMES: Readonly<Record<Architecture, TensorNames>> = {
  bert: BERT_NAMES,
  roberta: BERT_NAMES,
  distilbert: {
    layer: 'transformer.layer.',
    attention: ['attention.q_lin', 'attention.k_lin', 'attention.v_lin', 'attention.out_lin'],
    attentionNorm: 'sa_layer_norm',
    ffn: ['ffn.lin1', 'ffn.lin2'],
    outputNorm: 'output_layer_norm',
    types: false,
  },
}

/** A trainable tensor of ours as the file keeps it: the names of the parts that it stacks, in row order. */
export type StoredNames = ReadonlyMap<string, readonly string[]>

/**
 * Where `model.safetensors` keeps the tensors of the layers, by our names (`layers.3.qkv.weight`) and relative
 * to the file's prefix.
 */
export function storedLayerNames(config: TransformerConfig): StoredNames {
  const names = TENSOR_NAMES[config.architecture]
  const [query, key, value, out] = names.attention
  const found = new Map<string, readonly string[]>()
  for (let index = 0; index < config.layers; index++) {
    const at = `${names.layer}${index}.`
    const add = (ours: string, parts: readonly string[], ends: readonly [string, string]): void => {
      for (const [end, stored] of [
        [ends[0], 'weight'],
        [ends[1], 'bias'],
      ] as const) {
        const stack = parts.map((part) => `${at}${part}.${stored}`)
        found.set(`layers.${index}.${ours}.${end}`, stack)
      }
    }
    add('qkv', [query, key, value], ['weight', 'bias'])
    add('out', [out], ['weight', 'bias'])
    add('attention_norm', [names.attentionNorm], ['gamma', 'beta'])
    add('ffn_in', [names.ffn[0]], ['weight', 'bias'])
    add('ffn_out', [names.ffn[1]], ['weight', 'bias'])
    add('output_norm', [names.outputNorm], ['gamma', 'beta'])
  }
  return found
}

/** What the names of a file's tensors begin with; null where it holds no encoder. */
export function findPrefix(names: readonly string[]): string | null {
  return PREFIXES.find((candidate) => names.includes(candidate + WORD_TABLE)) ?? null
}

const WORD_TABLE = 'embeddings.word_embeddings.weight'
const PREFIXES = ['', 'bert.', 'roberta.', 'distilbert.', 'model.', 'encoder.']

/** Reads tensors by name, checks their shapes and folds them into a digest. */
class TensorReader {
  readonly #file: SafetensorsFile
  readonly #prefix: string
  readonly #hash: Hash

  constructor(file: SafetensorsFile, prefix: string, hash: Hash) {
    this.#file = file
    this.#prefix = prefix
    this.#hash = hash
  }

  async tensor(name: string, shape: readonly number[]): Promise<Float32Array> {
    const actual = this.#file.shape(this.#prefix + name)
    if (actual && actual.join() !== shape.join()) {
      throw new EspalierError(
        'invalid_model_file',
        `tensor ${this.#prefix}${name} is [${actual.join(', ')}]; the configuration asks for [${shape.join(', ')}]`,
      )
    }
    const values = await this.#file.read(this.#prefix + name)
    this.#hash.update(`${name}[${shape.join()}]`)
    this.#hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    return values
  }

  /** Row 0 of the type table, whatever its height: single texts have type 0 throughout. */
  async typeRow(size: number): Promise<Float32Array> {
    const name = 'embeddings.token_type_embeddings.weight'
    const rows = this.#file.shape(this.#prefix + name)?.[0] ?? 1
    return (await this.tensor(name, [rows, size])).subarray(0, size)
  }

  async linear(name: string, inputs: number, outputs: number, bias = true): Promise<Linear> {
    return {
      inputs,
      outputs,
      weight: await this.tensor(`${name}.weight`, [outputs, inputs]),
      bias: bias ? await this.tensor(`${name}.bias`, [outputs]) : new Float32Array(outputs),
    }
  }

  async norm(name: string, size: number): Promise<Norm> {
    return {
      gamma: await this.tensor(`${name}.weight`, [size]),
      beta: await this.tensor(`${name}.bias`, [size]),
    }
  }
}

/**
 * Loads the weights that a graph needs and nothing else.
 * @throws EspalierError `invalid_model_file` for missing tensors and wrong shapes
 */
export async function loadWeights(
  folder: string,
  config: TransformerConfig,
  denseConfig: DenseConfig | null,
): Promise<EncoderWeights> {
  const hash = createHash('sha256')
  const file = await openSafetensors(join(folder, 'model.safetensors'))
  try {
    const prefix = findPrefix(file.names)
    if (prefix === null) {
      throw new EspalierError(
        'invalid_model_file',
        `model.safetensors: has no tensor ${WORD_TABLE}`,
      )
    }
    const reader = new TensorReader(file, prefix, hash)
    const names = TENSOR_NAMES[config.architecture]
    const words = await reader.tensor(WORD_TABLE, [config.vocabulary, config.hidden])
    const positions = await readPositions(reader, config, names.types)
    const embeddingNorm = await reader.norm('embeddings.LayerNorm', config.hidden)
    const layers: LayerWeights[] = []
    for (let i = 0; i < config.layers; i++) layers.push(await readLayer(reader, config, names, i))
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
  names: TensorNames,
  index: number,
): Promise<LayerWeights> {
  const at = `${names.layer}${index}.`
  const [query, key, value, out] = names.attention
  const parts = [
    await reader.linear(at + query, hidden, hidden),
    await reader.linear(at + key, hidden, hidden),
    await reader.linear(at + value, hidden, hidden),
  ]
  return {
    qkv: stackLinears(parts),
    out: await reader.linear(at + out, hidden, hidden),
    attentionNorm: await reader.norm(at + names.attentionNorm, hidden),
    ffnIn: await reader.linear(at + names.ffn[0], hidden, intermediate),
    ffnOut: await reader.linear(at + names.ffn[1], intermediate, hidden),
    outputNorm: await reader.norm(at + names.outputNorm, hidden),
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
  const file = await openSafetensors(join(config.folder, 'model.safetensors'))
  try {
    const reader = new TensorReader(file, '', hash)
    const linear = await reader.linear('linear', config.inputs, config.outputs, config.bias)
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
