import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { countElements } from '../../lib/maths/count-elements.ts'
import { openSafetensors } from '../checkpoint/safetensors.ts'
import type { TensorFile } from '../checkpoint/tensor-file.ts'
import { readJsonFile } from '../source/json-file.ts'
import { type TensorToWrite, writeSafetensors } from '../source/safetensors-writer.ts'
import { writeFolder } from './artifact-folder.ts'

const WEIGHTS_FILE = 'model.safetensors'
const CONFIG_FILE = 'config.json'
/** What makes an encoder beside its weights. Golden vectors and calibrations are of the weights: left behind. */
const COMPANIONS = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'sentencepiece.bpe.model',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
]
const FLOAT_TYPES = ['F32', 'F16', 'BF16']

const modulesSchema = z.array(z.looseObject({ path: z.string().max(200) })).max(8)
const typedSchema = z.looseObject({})

/** Gives a tensor of the base other values, of the same count; null leaves it as it is. */
export type ChangeTensor = (
  name: string,
  shape: readonly number[],
  file: TensorFile,
) => Promise<Float32Array | null>

/**
 * Writes a Hugging Face folder with the base's names, shapes, configuration and tokenizer, but other values:
 * float32 throughout. It appears whole or not at all.
 * @throws EspalierError `invalid_request` where the folder exists or cannot be written, `invalid_model_file`
 */
export async function deriveFolder(
  base: string,
  output: string,
  change: ChangeTensor,
): Promise<void> {
  await writeDerived(output, async (target) => {
    await copyCompanions(base, target)
    await writeFile(join(target, CONFIG_FILE), await floatConfig(base))
    await deriveWeights(base, target, change)
  })
}

/**
 * Writes a folder that appears whole or not at all.
 * @throws EspalierError `invalid_request` where it exists or cannot be written, with the reason
 */
export async function writeDerived(
  output: string,
  fill: (target: string) => Promise<void>,
): Promise<void> {
  try {
    await writeFolder(output, 'refuse', fill)
  } catch (cause) {
    if (cause instanceof EspalierError) throw cause
    throw new EspalierError(
      'invalid_request',
      `${output} cannot be written: ${explain(cause)}; nothing was left there`,
      { cause },
    )
  }
}

async function deriveWeights(base: string, target: string, change: ChangeTensor): Promise<void> {
  const file = await openSafetensors(join(base, WEIGHTS_FILE))
  try {
    const tensors = file.names.map((name) => describeTensor(file, name, change))
    await writeSafetensors(join(target, WEIGHTS_FILE), tensors)
  } finally {
    await file.close()
  }
}

function describeTensor(file: TensorFile, name: string, change: ChangeTensor): TensorToWrite {
  const { type, shape, bytes } = file.describe(name)
  if (!FLOAT_TYPES.includes(type)) {
    return { name, type, shape, bytes, read: () => file.readBytes(name) }
  }
  const count = countElements(shape)
  return {
    name,
    type: 'F32',
    shape,
    bytes: count * Float32Array.BYTES_PER_ELEMENT,
    async read() {
      const values = (await change(name, shape, file)) ?? (await file.read(name))
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    },
  }
}

/** Loaders that go by the stated type would round the new weights to it. */
async function floatConfig(base: string): Promise<string> {
  const path = join(base, CONFIG_FILE)
  const config = (await readJsonFile(path, typedSchema)) ?? {}
  if (!('torch_dtype' in config) && !('dtype' in config)) return readFile(path, 'utf8')
  const { torch_dtype: old, dtype, ...rest } = config
  const stated = old === undefined ? { dtype: 'float32' } : { torch_dtype: 'float32' }
  return `${JSON.stringify({ ...rest, ...stated }, null, 2)}\n`
}

async function copyCompanions(base: string, target: string): Promise<void> {
  for (const name of COMPANIONS) await copyIfThere(base, target, name)
  const modules = (await readJsonFile(join(base, 'modules.json'), modulesSchema)) ?? []
  for (const { path } of modules) {
    // The first module is the transformer itself, in the folder's root.
    if (path === '' || normalize(path).startsWith('..')) continue
    for (const name of [CONFIG_FILE, WEIGHTS_FILE]) await copyIfThere(base, target, path, name)
  }
}

async function copyIfThere(base: string, target: string, ...parts: string[]): Promise<void> {
  const from = join(base, ...parts)
  if (!(await stat(from).catch(() => null))?.isFile()) return
  const to = join(target, ...parts)
  await mkdir(dirname(to), { recursive: true })
  await copyFile(from, to)
}

function explain(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full'
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'permission denied'
  return cause instanceof Error ? cause.message : String(cause)
}
