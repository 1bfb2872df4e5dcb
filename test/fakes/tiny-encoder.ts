import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GraphSpec, TextEncoderManifest } from '../../shared/lib/manifests/encoder-manifest.ts'
import { GraphBuilder } from '../../shared/onnx/graph.ts'
import { serializeModel } from '../../shared/onnx/writer.ts'

export const TINY_DIMENSION = 8
export const TINY_MAX_TOKENS = 16
const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
const WORDS = 'the cat sat on a mat and dog ran in rain sun is warm cold . , ! ? ##s 中 𠀀'.split(
  ' ',
)
export const TINY_VOCABULARY: readonly string[] = [...SPECIALS, ...WORDS]

/** A BERT-style tokenizer.json over the tiny vocabulary. */
export function tinyTokenizerJson() {
  const vocab: Record<string, number> = Object.fromEntries(
    TINY_VOCABULARY.map((token, id) => [token, id]),
  )
  return {
    version: '1.0',
    truncation: { max_length: 4, strategy: 'LongestFirst', stride: 0 },
    padding: { strategy: { Fixed: 4 }, pad_id: 0, pad_token: '[PAD]' },
    added_tokens: SPECIALS.map((content, id) => ({ id, content, special: true })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', vocab },
  }
}

/** The table row of a token: small exact numbers, so that sums are exact in any order. */
export function tinyRow(id: number): number[] {
  return Array.from(
    { length: TINY_DIMENSION },
    (_, i) => (((id + 1) * (i + 3) * 37) % 64) / 64 - 0.375,
  )
}

/** Mean of the table rows of the ids: what the graph computes, worked out apart from it. */
export function tinyPooled(ids: readonly number[]): number[] {
  const rows = ids.map(tinyRow)
  return Array.from({ length: TINY_DIMENSION }, (_, i) => {
    const sum = rows.reduce((total, row) => total + (row[i] as number), 0)
    return sum / ids.length
  })
}

/** The pooled vector at length one. */
export function tinyEmbedding(ids: readonly number[]): number[] {
  const pooled = tinyPooled(ids)
  const norm = Math.hypot(...pooled)
  return pooled.map((x) => x / norm)
}

/** Which way the artifact is put together. */
export interface TinyOptions {
  /** A graph that ends in hidden states with a pooling graph, int64 inputs and token types. */
  readonly foreign?: boolean
  /** A word whose id lies beyond the graph's table. */
  readonly poison?: string
}

/** Writes a complete encoder artifact: table lookup, masked mean, normalisation. */
export async function writeTinyEncoder(
  folder: string,
  { foreign = false, poison }: TinyOptions = {},
): Promise<TextEncoderManifest> {
  const tokenizer = tinyTokenizerJson()
  if (poison) tokenizer.model.vocab[poison] = 1000
  const files: Record<string, Uint8Array> = {
    'tokenizer.json': Buffer.from(JSON.stringify(tokenizer)),
    ...(foreign ? foreignFiles() : ownFiles()),
  }
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
  const golden = [2, 6, 7, 3]
  const manifest: TextEncoderManifest = {
    schema: 1,
    kind: 'embedding',
    modality: 'text',
    name: 'tiny',
    architecture: foreign ? 'onnx' : 'bert',
    dimension: TINY_DIMENSION,
    maxTokens: TINY_MAX_TOKENS,
    pooling: 'mean',
    normalize: true,
    prompts: { query: 'the ' },
    defaultPrompt: null,
    padId: 0,
    family: 'f'.repeat(64),
    tokenizer: 'tokenizer.json',
    graphs: { float32: foreign ? FOREIGN_GRAPH : OWN_GRAPH },
    quantization: null,
    golden: [{ text: 'cat sat', vectors: { float32: tinyEmbedding(golden) } }],
    minCosine: { float32: 0.9999 },
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [
        name,
        { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length },
      ]),
    ),
    createdWith: 'test',
  }
  await writeFile(join(folder, 'encoder.json'), JSON.stringify(manifest))
  return manifest
}

const OWN_GRAPH: GraphSpec = {
  fingerprint: 'a'.repeat(64),
  file: 'float32.onnx',
  data: 'float32.data',
  inputs: [
    { name: 'ids', role: 'ids', type: 'int32' },
    { name: 'mask', role: 'mask', type: 'float32' },
  ],
  embedding: 'embedding',
  pooled: 'pooled',
  hidden: null,
  pooling: null,
}

const FOREIGN_GRAPH: GraphSpec = {
  fingerprint: 'b'.repeat(64),
  file: 'model.onnx',
  data: null,
  inputs: [
    { name: 'input_ids', role: 'ids', type: 'int64' },
    { name: 'attention_mask', role: 'mask', type: 'int64' },
    { name: 'token_type_ids', role: 'types', type: 'int64' },
  ],
  embedding: 'embedding',
  pooled: 'pooled',
  hidden: 'last_hidden_state',
  pooling: 'pooling.onnx',
}

function ownFiles(): Record<string, Uint8Array> {
  const graph = new GraphBuilder('tiny')
  const ids = graph.input('ids', 'int32', ['batch', 'tokens'])
  const mask = graph.input('mask', 'float32', ['batch', 'tokens'])
  addPooling(graph, graph.op('Gather', [addTable(graph), ids]), mask)
  const model = serializeModel(graph.build(), { file: 'float32.data', minBytes: 64 })
  return { 'float32.onnx': model.graph, 'float32.data': Buffer.concat(model.data) }
}

function foreignFiles(): Record<string, Uint8Array> {
  const body = new GraphBuilder('foreign')
  const ids = body.input('input_ids', 'int64', ['batch', 'tokens'])
  body.input('attention_mask', 'int64', ['batch', 'tokens'])
  const types = body.input('token_type_ids', 'int64', ['batch', 'tokens'])
  const hidden = body.op('Gather', [addTable(body), body.op('Add', [ids, types])])
  body.output('last_hidden_state', hidden, 'float32', ['batch', 'tokens', TINY_DIMENSION])
  const pooling = new GraphBuilder('pooling')
  const states = pooling.input('hidden', 'float32', ['batch', 'tokens', TINY_DIMENSION])
  addPooling(pooling, states, pooling.input('mask', 'float32', ['batch', 'tokens']))
  return {
    'model.onnx': serializeModel(body.build()).graph,
    'pooling.onnx': serializeModel(pooling.build()).graph,
  }
}

function addTable(graph: GraphBuilder): string {
  const rows = TINY_VOCABULARY.flatMap((_, id) => tinyRow(id))
  return graph.constant(
    'table',
    'float32',
    [TINY_VOCABULARY.length, TINY_DIMENSION],
    Float32Array.from(rows),
  )
}

function addPooling(graph: GraphBuilder, hidden: string, mask: string): void {
  const weights = graph.op('Unsqueeze', [mask, graph.int64s(2)])
  const summed = graph.op('ReduceSum', [graph.op('Mul', [hidden, weights]), graph.int64s(1)], {
    keepdims: 0,
  })
  const count = graph.op('ReduceSum', [mask, graph.int64s(1)], { keepdims: 1 })
  const pooled = graph.op('Div', [summed, count])
  const norm = graph.op('ReduceL2', [pooled], { axes: [1], keepdims: 1 })
  graph.output('pooled', pooled, 'float32', ['batch', TINY_DIMENSION])
  graph.output('embedding', graph.op('Div', [pooled, norm]), 'float32', ['batch', TINY_DIMENSION])
}
