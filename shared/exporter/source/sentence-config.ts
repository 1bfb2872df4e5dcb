import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { readJsonFile } from './json-file.ts'
import { POOLINGS, type Pooling } from './source-config.ts'

const MODULE_TYPES = ['Transformer', 'Pooling', 'Dense', 'Normalize'] as const

const modulesSchema = z
  .array(z.object({ path: z.string().max(200), type: z.string().max(200) }))
  .min(1)
  .max(8)

const poolingSchema = z.looseObject({
  pooling_mode: z.string().optional(),
  pooling_mode_cls_token: z.boolean().optional(),
  pooling_mode_mean_tokens: z.boolean().optional(),
  pooling_mode_max_tokens: z.boolean().optional(),
  include_prompt: z.boolean().optional(),
})

const lengthSchema = z.looseObject({ max_seq_length: z.int().min(2).max(32_768).nullish() })

const promptsSchema = z.looseObject({
  prompts: z.record(z.string().max(100), z.string().max(10_000)).nullish(),
  default_prompt_name: z.string().max(100).nullish(),
})

const DENSE_ACTIVATIONS = ['Identity', 'Tanh', 'ReLU', 'GELU', 'Sigmoid'] as const
const denseSchema = z.looseObject({
  in_features: z.int().min(1).max(65_536),
  out_features: z.int().min(1).max(8192),
  bias: z.boolean().default(true),
  activation_function: z.string().default('torch.nn.modules.activation.Tanh'),
})

/** A dense layer after pooling, with the folder that holds its weights. */
export interface DenseConfig {
  readonly folder: string
  /** The layer's name in the file. @default linear */
  readonly tensor?: string | undefined
  readonly inputs: number
  readonly outputs: number
  readonly bias: boolean
  readonly activation: (typeof DENSE_ACTIVATIONS)[number]
}

/** What sentence-transformers adds to a transformer. */
export interface SentenceConfig {
  /** Null where nothing says it. */
  readonly pooling: Pooling | null
  /** Whether `modules.json` says what the encoder is made of. */
  readonly isDeclared: boolean
  readonly normalize: boolean
  readonly dense: DenseConfig | null
  /** Null when the folder does not say. */
  readonly maxTokens: number | null
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPrompt: string | null
}

/**
 * Reads `modules.json` and the files it leads to. A folder without it is normalised, as every answer is by default; how
 * it pools stands in its 1_Pooling, or nowhere.
 * @throws EspalierError `unsupported_model` naming the module and what is supported
 */
export async function readSentenceConfig(
  folder: string,
  override: Pooling | undefined,
): Promise<SentenceConfig> {
  const modules = await readJsonFile(join(folder, 'modules.json'), modulesSchema)
  const length = await readJsonFile(join(folder, 'sentence_bert_config.json'), lengthSchema)
  const prompts = await readPrompts(folder)
  const maxTokens = length?.max_seq_length ?? null
  if (modules === null) {
    await refuseLooseModules(folder)
    const pooling = override ?? (await readLonePooling(folder))
    return { pooling, isDeclared: false, normalize: true, dense: null, maxTokens, ...prompts }
  }
  const kinds = modules.map((module) => moduleKind(module.type))
  const order = kinds.join(' → ')
  if (!/^Transformer → Pooling( → Dense)?( → Normalize)?$/.test(order)) {
    throw new EspalierError(
      'unsupported_model',
      `modules.json: ${order}; supported: Transformer → Pooling, then Dense and Normalize at most once each`,
    )
  }
  const densePath = modules[kinds.indexOf('Dense')]?.path
  return {
    pooling: override ?? (await readPooling(insideFolder(folder, modules[1]?.path ?? ''))),
    isDeclared: true,
    normalize: kinds.includes('Normalize'),
    dense: kinds.includes('Dense') ? await readDense(insideFolder(folder, densePath ?? '')) : null,
    maxTokens,
    ...prompts,
  }
}

function moduleKind(type: string): (typeof MODULE_TYPES)[number] {
  const name = type.split('.').at(-1)
  const kind = MODULE_TYPES.find((candidate) => candidate === name)
  if (kind) return kind
  throw new EspalierError(
    'unsupported_model',
    `modules.json: module ${type}; supported: ${MODULE_TYPES.join(', ')}`,
  )
}

/** @throws EspalierError `invalid_model_file` where modules are there that nothing puts in order */
async function refuseLooseModules(folder: string): Promise<void> {
  const dense = (await readdir(folder)).find((name) => /^\d+_Dense$/.test(name))
  if (dense !== undefined) {
    const message = `${folder}: has ${dense}, but no modules.json that says where it comes; put that file back`
    throw new EspalierError('invalid_model_file', message)
  }
}

/** The pooling of a folder whose `modules.json` is missing; null where it has none either. */
async function readLonePooling(folder: string): Promise<Pooling | null> {
  const path = join(folder, '1_Pooling')
  return existsSync(join(path, 'config.json')) ? readPooling(path) : null
}

async function readPooling(folder: string): Promise<Pooling> {
  const config = await readJsonFile(join(folder, 'config.json'), poolingSchema)
  if (config === null) {
    throw new EspalierError('invalid_model_file', `${folder}: has no config.json`)
  }
  if (config.include_prompt === false) {
    throw new EspalierError(
      'unsupported_model',
      'pooling config.json: include_prompt false; supported: prompts that are pooled with their text',
    )
  }
  const flags = Object.entries(config).filter(
    ([key, value]) => key.startsWith('pooling_mode_') && value === true,
  )
  const named = config.pooling_mode ? [config.pooling_mode] : flags.map(([key]) => key)
  const short = named.map((name) => name.replace(/^pooling_mode_|_tokens?$/g, ''))
  const pooling = POOLINGS.find((candidate) => candidate === short[0])
  if (short.length !== 1 || pooling === undefined) {
    throw new EspalierError(
      'unsupported_model',
      `pooling config.json: ${short.join(' + ') || 'no pooling mode'}; supported: one of ${POOLINGS.join(', ')}`,
    )
  }
  return pooling
}

async function readDense(folder: string): Promise<DenseConfig> {
  const config = await readJsonFile(join(folder, 'config.json'), denseSchema)
  if (config === null) {
    throw new EspalierError('invalid_model_file', `${folder}: has no config.json`)
  }
  const name = config.activation_function.split('.').at(-1)
  const activation = DENSE_ACTIVATIONS.find((candidate) => candidate === name)
  if (activation === undefined) {
    throw new EspalierError(
      'unsupported_model',
      `Dense activation ${config.activation_function}; supported: ${DENSE_ACTIVATIONS.join(', ')}`,
    )
  }
  const { in_features: inputs, out_features: outputs, bias } = config
  return { folder, inputs, outputs, bias, activation }
}

async function readPrompts(
  folder: string,
): Promise<{ prompts: Record<string, string>; defaultPrompt: string | null }> {
  const path = join(folder, 'config_sentence_transformers.json')
  const config = await readJsonFile(path, promptsSchema)
  const prompts = config?.prompts ?? {}
  const defaultPrompt = config?.default_prompt_name ?? null
  if (defaultPrompt !== null && !Object.hasOwn(prompts, defaultPrompt)) {
    throw new EspalierError(
      'invalid_model_file',
      `config_sentence_transformers.json: default_prompt_name ${defaultPrompt} is none of its prompts`,
    )
  }
  return { prompts, defaultPrompt }
}

function insideFolder(folder: string, path: string): string {
  const inner = normalize(join(folder, path))
  if (path === '' || !inner.startsWith(normalize(join(folder, '/'))) || !existsSync(inner)) {
    throw new EspalierError('invalid_model_file', `modules.json: no folder ${path || '(empty)'}`)
  }
  return inner
}
