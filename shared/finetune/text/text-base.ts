import type { TrainableBase } from '../trainable-base.ts'
import type { FineTuneRequest, LabelledTexts } from '../types.ts'
import { enterTextRows } from './hidden-states.ts'
import { readBase, weightBytes } from './read-base.ts'
import { cacheBytes } from './state-cache.ts'
import { createTextTrunk } from './text-trunk.ts'
import { tokenizeRows } from './token-rows.ts'
import { writeTunedFolder } from './tuned-folder.ts'

type TextRequest = Pick<
  FineTuneRequest,
  'baseFolder' | 'initialisation' | 'settings' | 'train' | 'validation'
>

/**
 * Opens an encoder of texts and tokenises the rows.
 * @param scratch a folder for a copy with random weights
 * @throws EspalierError as `readBase` does, `invalid_request`, `invalid_data`
 */
export async function openTextBase(request: TextRequest, scratch: string): Promise<TrainableBase> {
  const { settings, train, validation } = request
  const { trainable } = settings
  const { folder, source, weights } = await readBase(request, scratch)
  const { prompts, defaultPrompt, pooling } = source.sentence
  const prompt = defaultPrompt === null ? '' : (prompts[defaultPrompt] ?? '')
  const maxTokens = Math.min(settings.maxTokens, source.maxTokens)
  const tokenize = ({ texts }: LabelledTexts, name: string) =>
    tokenizeRows(source.tokenizer, texts, { prompt, maxTokens, name })
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
    async enterRows(tools) {
      const frozen = { lower, kind, width, padId: source.padId } as const
      const sources = await enterTextRows(frozen, tokens, tools)
      return {
        train: { source: sources.train, rows: train },
        validation: { source: sources.validation, rows: validation },
      }
    },
    write: (output, values) => writeTunedFolder(folder, output, weights.config, values),
  }
}
