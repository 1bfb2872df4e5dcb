import { EspalierError } from '../lib/errors.ts'
import { quote } from '../lib/text/text.ts'
import type { EncoderInfo } from './types.ts'

/**
 * The text that a prompt's name stands for; without a name the encoder's default, if it has one.
 * @throws EspalierError `invalid_request` listing the prompts that there are
 */
export function findPrompt(info: EncoderInfo, promptName: string | undefined): string | undefined {
  const name = promptName ?? info.defaultPrompt
  if (name === null) return undefined
  if (Object.hasOwn(info.prompts, name)) return info.prompts[name]
  const known = Object.keys(info.prompts).sort().join(', ')
  throw new EspalierError(
    'invalid_request',
    `there is no prompt ${quote(name)}; ${info.name} has ${known ? `these: ${known}` : 'none'}`,
    { param: 'prompt_name' },
  )
}
