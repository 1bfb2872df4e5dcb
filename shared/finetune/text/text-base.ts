import { join } from 'node:path'
import {
  poolingOf,
  readSourceFolder,
  type SourceFolder,
} from '../../exporter/source/source-folder.ts'
import { type EncoderWeights, loadWeights } from '../../exporter/source/weights.ts'
import { EspalierError } from '../../lib/errors.ts'
import { hint, say, task } from '../../lib/wording.ts'
import type { TrainableBase } from '../trainable-base.ts'
import type { FineTuneRequest, LabelledTexts } from '../types.ts'
import { cacheBytes, prepareHiddenStates } from './hidden-states.ts'
import { createTextTrunk } from './text-trunk.ts'
import { tokenizeRows } from './token-rows.ts'
import { writeRandomFolder, writeTunedFolder } from './tuned-folder.ts'

type TextRequest = Pick<
  FineTuneRequest,
  'baseFolder' | 'initialisation' | 'settings' | 'train' | 'validation'
>

/** The encoder that training starts from. */
export interface Base {
  /** Holds the weights as they are at the start. */
  readonly folder: string
  readonly source: SourceFolder
  readonly weights: EncoderWeights
}

/**
 * Opens an encoder of texts and tokenises the rows.
 * @param scratch a folder for a copy with random weights
 * @throws EspalierError as `readBase` does, `invalid_request`, `invalid_data`
 */
export async function openTextBase(request: TextRequest, scratch: string): Promise<TrainableBase> {
  const { settings, train, validation } = request
  const { trainable, truncationDirection } = settings
  const { folder, source, weights } = await readBase(request, scratch)
  const { prompts, defaultPrompt } = source.sentence
  const pooling = poolingOf(source)
  const prompt = defaultPrompt === null ? '' : (prompts[defaultPrompt] ?? '')
  const maxTokens = Math.min(settings.maxTokens, source.maxTokens)
  const tokenize = ({ texts }: LabelledTexts, name: string) =>
    tokenizeRows(source.tokenizer, texts, { prompt, maxTokens, truncationDirection, name })
  const tokens = {
    train: tokenize(train, 'train'),
    validation: tokenize(validation, 'validation'),
  }
  const trunk = createTextTrunk({ weights, pooling, trainable })
  const lower = trunk.buildLower()
  const isHead = trainable.kind === 'head'
  const kind = isHead ? 'embeddings' : 'states'
  const width = isHead ? trunk.dimension : weights.config.hidden
  const sets = [tokens.train, tokens.validation]
  const cached = sets.map(({ lengths }) => (lower ? cacheBytes(lengths, kind, width) : 0))
  return {
    trunk,
    weightBytes: weightBytes(weights),
    rowBytes: sets.reduce((sum, { ids }, at) => sum + ids.byteLength + (cached[at] as number), 0),
    tokens: sets.reduce((most, { lengths }) => lengths.reduce((a, b) => Math.max(a, b), most), 1),
    truncated: { train: tokens.train.truncated, validation: tokens.validation.truncated },
    async prepareRows(tools) {
      const frozen = { lower, kind, width, padId: source.padId } as const
      const sources = await prepareHiddenStates(frozen, tokens, tools)
      return {
        train: { source: sources.train, rows: train },
        validation: { source: sources.validation, rows: validation },
      }
    },
    write: (output, values) => writeTunedFolder(folder, output, weights.config, values),
  }
}

/**
 * Reads the base; with random initialisation a copy of it that has forgotten everything.
 * @param scratch a folder for that copy
 * @throws EspalierError `unsupported_model` for somebody else's graph, which has no weights to train
 */
export async function readBase(
  request: Pick<FineTuneRequest, 'baseFolder' | 'initialisation' | 'settings'>,
  scratch: string,
): Promise<Base> {
  const source = await readSourceFolder(request.baseFolder, { name: 'base' })
  if (source.network.kind === 'onnx') {
    throw new EspalierError(
      'unsupported_model',
      say`${request.baseFolder}: an ONNX graph without model.safetensors cannot be fine-tuned; train a head on it as it is${hint(say` with ${task('train')}`)}, or give a folder with its weights`,
    )
  }
  let folder = request.baseFolder
  if (request.initialisation === 'random') {
    folder = join(scratch, 'random')
    await writeRandomFolder(request.baseFolder, folder, request.settings.seed)
  }
  const weights = await loadWeights(folder, source.network.config, source.sentence.dense)
  return { folder, source, weights }
}

/** Bytes of all weights in memory. */
export function weightBytes(weights: EncoderWeights): number {
  const layers = weights.layers.flatMap(({ qkv, out, ffnIn, ffnOut }) => [qkv, out, ffnIn, ffnOut])
  const tables = weights.words.byteLength + (weights.positions?.byteLength ?? 0)
  return layers.reduce((sum, { weight }) => sum + weight.byteLength, tables)
}
