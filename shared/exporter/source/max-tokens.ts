import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import type { SourceNetwork } from './find-network.ts'
import { readJsonFile } from './json-file.ts'
import type { RecognisedFamily } from './recognise-family.ts'

/** Tokenizers without a limit say so with numbers like 1e30. */
const MAX_TOKENS = 32_768
/** Architectures whose positions count from behind the padding id. */
const COUNT_FROM_PADDING = ['roberta', 'xlm-roberta', 'xlm-roberta-xl', 'camembert', 'mpnet']

const tokenizerConfigSchema = z.looseObject({ model_max_length: z.number().nullish() })
const positionsSchema = z.looseObject({
  model_type: z.string().optional().catch(undefined),
  max_position_embeddings: z.int().min(3).optional().catch(undefined),
  pad_token_id: z.int().min(0).nullish().catch(null),
})

/** The longest input, with what says so; null where nothing does. */
export interface SettledLength {
  readonly maxTokens: number | null
  readonly from: 'answer' | 'folder' | 'family'
}

/**
 * How many tokens an encoder reads: as somebody says, `sentence_bert_config.json`, what is known of a model without it,
 * the tokenizer, the configuration. Never more than the network has positions for.
 * @throws EspalierError `invalid_request` for a wish beyond them
 */
export async function settleMaxTokens(
  folder: string,
  declared: number | null,
  network: SourceNetwork,
  wanted: number | undefined,
  known: RecognisedFamily | null,
): Promise<SettledLength> {
  const limit = await limitOf(folder, network)
  if (wanted !== undefined) {
    if (wanted <= (limit.hard ?? MAX_TOKENS)) return { maxTokens: wanted, from: 'answer' }
    throw new EspalierError(
      'invalid_request',
      `max tokens ${wanted}: this encoder has positions for ${limit.hard ?? MAX_TOKENS}`,
    )
  }
  const most = Math.min(limit.hard ?? MAX_TOKENS, MAX_TOKENS)
  if (declared !== null) return { maxTokens: Math.min(declared, most), from: 'folder' }
  if (known !== null) return { maxTokens: Math.min(known.family.maxTokens, most), from: 'family' }
  const tokenizer = await readJsonFile(join(folder, 'tokenizer_config.json'), tokenizerConfigSchema)
  const stated = tokenizer?.model_max_length
  const sane = stated && stated >= 2 && stated <= MAX_TOKENS ? Math.floor(stated) : null
  const found = sane ?? limit.stated ?? limit.hard
  return { maxTokens: found === null ? null : Math.min(found, most), from: 'folder' }
}

/** Positions that there are, and those that only the configuration of somebody's graph speaks of. */
async function limitOf(
  folder: string,
  network: SourceNetwork,
): Promise<{ readonly hard: number | null; readonly stated: number | null }> {
  if (network.kind === 'weights') {
    const { positions, positionOffset } = network.config
    return { hard: Math.min(positions - positionOffset, MAX_TOKENS), stated: null }
  }
  const ids = network.scan.inputs.find(({ name }) => name === 'input_ids')
  const tokens = ids?.shape?.[1]
  const hard = typeof tokens === 'number' && tokens >= 2 ? tokens : null
  const config = await readJsonFile(join(folder, 'config.json'), positionsSchema)
  const positions = config?.max_position_embeddings
  if (config === null || positions === undefined) return { hard, stated: null }
  const isBehind = COUNT_FROM_PADDING.includes(config.model_type ?? '')
  const offset = isBehind ? (config.pad_token_id ?? 1) + 1 : 0
  return { hard, stated: Math.max(2, Math.min(positions - offset, MAX_TOKENS)) }
}
