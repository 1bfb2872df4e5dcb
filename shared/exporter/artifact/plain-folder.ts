import { cp, mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { readJsonFile } from '../source/json-file.ts'
import { openWeights } from '../source/open-weights.ts'
import { writeSafetensors } from '../source/safetensors-writer.ts'
import type { SourceFolder } from '../source/source-folder.ts'
import { findPrefix } from '../source/tensor-names.ts'

const TYPES = 'sentence_transformers.models.'
/** Fields of a configuration that speak of an output layer. */
const OUTPUT_FIELDS = ['architectures', 'id2label', 'label2id', 'num_labels', 'problem_type']
/** Output layers of files whose encoder has no prefix. */
const OUTPUT_TENSOR = /^(?:classifier|pre_classifier|score|qa_outputs|cls|lm_head|vocab_\w+)\./

const anySchema = z.looseObject({})

/**
 * Writes a folder of weights as sentence-transformers lays one out, with what was answered about it: it leaves nothing
 * open, and whoever reads it reads the same encoder.
 */
export async function writePlainFolder(source: SourceFolder, target: string): Promise<void> {
  const { folder, sentence, maxTokens, tokenizerBytes, outputLayer } = source
  await mkdir(join(target, '1_Pooling'), { recursive: true })
  const config = { ...(await readJsonFile(join(folder, 'config.json'), anySchema)) }
  if (outputLayer !== null) for (const field of OUTPUT_FIELDS) delete config[field]
  await writeJson(target, 'config.json', config)
  await writeWeights(folder, target)
  await writeFile(join(target, 'tokenizer.json'), tokenizerBytes)
  const tokenizer = await readJsonFile(join(folder, 'tokenizer_config.json'), anySchema)
  if (tokenizer !== null) await writeJson(target, 'tokenizer_config.json', tokenizer)
  await writeJson(target, '1_Pooling/config.json', { pooling_mode: sentence.pooling })
  await writeJson(target, 'sentence_bert_config.json', { max_seq_length: maxTokens })
  await writeJson(target, 'config_sentence_transformers.json', {
    prompts: sentence.prompts,
    default_prompt_name: sentence.defaultPrompt,
  })
  const modules = [
    { path: '', type: 'Transformer' },
    { path: '1_Pooling', type: 'Pooling' },
  ]
  if (sentence.dense !== null) {
    const path = basename(sentence.dense.folder)
    await mkdir(join(target, path))
    await cp(join(sentence.dense.folder, 'config.json'), join(target, path, 'config.json'))
    await writeWeights(sentence.dense.folder, join(target, path))
    modules.push({ path, type: 'Dense' })
  }
  if (sentence.normalize) modules.push({ path: '', type: 'Normalize' })
  await writeJson(
    target,
    'modules.json',
    modules.map(({ path, type }, idx) => ({ idx, name: `${idx}`, path, type: TYPES + type })),
  )
}

/** Writes the tensors of a folder as one safetensors file, without those of an output layer. */
async function writeWeights(folder: string, target: string): Promise<void> {
  const file = await openWeights(folder)
  try {
    const prefix = findPrefix(file.names) ?? ''
    const names = file.names.filter((name) => name.startsWith(prefix) && !OUTPUT_TENSOR.test(name))
    const tensors = names.map((name) => ({
      name,
      ...file.describe(name),
      read: () => file.readBytes(name),
    }))
    await writeSafetensors(join(target, 'model.safetensors'), tensors)
  } finally {
    await file.close()
  }
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`)
}
