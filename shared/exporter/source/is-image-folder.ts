import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Our own word on an image network. */
export const OWN_IMAGE_CONFIG = 'espalier.json'
/** Hugging Face's. */
export const PREPROCESSOR_CONFIG = 'preprocessor_config.json'

/** True for a folder that says how images are prepared and has no tokenizer. */
export function isImageFolder(folder: string): boolean {
  const has = (name: string) => existsSync(join(folder, name))
  return has(OWN_IMAGE_CONFIG) || (has(PREPROCESSOR_CONFIG) && !has('tokenizer.json'))
}
