import { copyFile, mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRandom, type Random } from '../../../shared/lib/maths/random.ts'

/** The shape of a BERT checkpoint; its vocabulary is that of the tokenizer it is given. */
export interface RandomEncoder {
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly intermediate: number
  readonly vocabulary: number
  readonly positions: number
}

/** BERT-base of Devlin et al., 2019, https://arxiv.org/abs/1810.04805, with an uncased vocabulary. */
export const BERT_BASE: RandomEncoder = {
  layers: 12,
  hidden: 768,
  heads: 12,
  intermediate: 3072,
  vocabulary: 30_522,
  positions: 512,
}

/** Standard deviation of BERT's own initial weights. */
const INITIAL_RANGE = 0.02
const COPIED = ['tokenizer.json', 'tokenizer_config.json', 'modules.json']

interface Tensor {
  readonly name: string
  readonly shape: readonly number[]
  /** What it is filled with; null for random numbers. */
  readonly fill: number | null
}

/**
 * Writes a Hugging Face folder with random float32 weights, the size of the real thing: for speed, not for vectors.
 * @param tokenizerFolder the folder of an encoder with the same vocabulary
 */
export async function writeRandomEncoder(
  folder: string,
  encoder: RandomEncoder,
  tokenizerFolder: string,
): Promise<void> {
  await mkdir(join(folder, '1_Pooling'), { recursive: true })
  for (const file of COPIED) await copyFile(join(tokenizerFolder, file), join(folder, file))
  const sentence = { max_seq_length: encoder.positions, do_lower_case: false }
  await writeFile(join(folder, 'sentence_bert_config.json'), JSON.stringify(sentence))
  const pooling = { word_embedding_dimension: encoder.hidden, pooling_mode_mean_tokens: true }
  await writeFile(join(folder, '1_Pooling', 'config.json'), JSON.stringify(pooling))
  const config = {
    model_type: 'bert',
    architectures: ['BertModel'],
    hidden_act: 'gelu',
    hidden_size: encoder.hidden,
    intermediate_size: encoder.intermediate,
    layer_norm_eps: 1e-12,
    max_position_embeddings: encoder.positions,
    num_attention_heads: encoder.heads,
    num_hidden_layers: encoder.layers,
    pad_token_id: 0,
    type_vocab_size: 2,
    vocab_size: encoder.vocabulary,
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  await writeTensors(join(folder, 'model.safetensors'), listTensors(encoder))
}

function listTensors(encoder: RandomEncoder): Tensor[] {
  const { layers, hidden, intermediate, vocabulary, positions } = encoder
  const matrix = (name: string, ...shape: number[]): Tensor => ({ name, shape, fill: null })
  const norm = (name: string): Tensor[] => [
    { name: `${name}.LayerNorm.weight`, shape: [hidden], fill: 1 },
    { name: `${name}.LayerNorm.bias`, shape: [hidden], fill: 0 },
  ]
  const linear = (name: string, inputs: number, outputs: number): Tensor[] => [
    matrix(`${name}.weight`, outputs, inputs),
    { name: `${name}.bias`, shape: [outputs], fill: 0 },
  ]
  return [
    matrix('embeddings.word_embeddings.weight', vocabulary, hidden),
    matrix('embeddings.position_embeddings.weight', positions, hidden),
    matrix('embeddings.token_type_embeddings.weight', 2, hidden),
    ...norm('embeddings'),
    ...Array.from({ length: layers }, (_, i) => `encoder.layer.${i}`).flatMap((layer) => [
      ...linear(`${layer}.attention.self.query`, hidden, hidden),
      ...linear(`${layer}.attention.self.key`, hidden, hidden),
      ...linear(`${layer}.attention.self.value`, hidden, hidden),
      ...linear(`${layer}.attention.output.dense`, hidden, hidden),
      ...norm(`${layer}.attention.output`),
      ...linear(`${layer}.intermediate.dense`, hidden, intermediate),
      ...linear(`${layer}.output.dense`, intermediate, hidden),
      ...norm(`${layer}.output`),
    ]),
  ]
}

/** The safetensors format: length of the header, the header, the values one after another. */
async function writeTensors(path: string, tensors: readonly Tensor[]): Promise<void> {
  const random = createRandom(1)
  const header: Record<string, object> = {}
  let end = 0
  for (const { name, shape } of tensors) {
    const start = end
    end += 4 * countOf(shape)
    header[name] = { dtype: 'F32', shape, data_offsets: [start, end] }
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = await open(path, 'w')
  try {
    await file.write(Buffer.concat([length, text]))
    for (const tensor of tensors) await file.write(new Uint8Array(valuesOf(tensor, random).buffer))
  } finally {
    await file.close()
  }
}

function valuesOf({ shape, fill }: Tensor, random: Random): Float32Array<ArrayBuffer> {
  const values = new Float32Array(countOf(shape))
  if (fill !== null) return values.fill(fill)
  // Uniform with the wanted deviation: the shape of the distribution does not matter here.
  const width = INITIAL_RANGE * Math.sqrt(12)
  for (let i = 0; i < values.length; i++) values[i] = width * (random.next() - 0.5)
  return values
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1)
}
