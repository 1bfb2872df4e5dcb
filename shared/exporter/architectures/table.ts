import type { ArchitectureName } from '../../lib/manifests/encoder-manifest.ts'
import type { Architecture } from './architecture.ts'
import { bert } from './bert.ts'
import { distilbert } from './distilbert.ts'
import { modernbert } from './modernbert.ts'
import { mpnet } from './mpnet.ts'
import { nomicBert } from './nomic-bert.ts'
import { roberta } from './roberta.ts'

/** The architectures whose weights are read, by the `model_type` of their `config.json`. */
export const ARCHITECTURES: Readonly<Record<ArchitectureName, Architecture>> = {
  bert,
  distilbert,
  roberta,
  mpnet,
  modernbert,
  nomic_bert: nomicBert,
}

/** What else a `model_type` says of the same network: names, shapes and arithmetic are those of the other. */
const ALIASES: Readonly<Record<string, ArchitectureName>> = {
  'xlm-roberta': 'roberta',
  camembert: 'roberta',
}

/** Every `model_type` whose weights are read, in the order of the alphabet. */
export const MODEL_TYPES: readonly string[] = [
  ...Object.keys(ARCHITECTURES),
  ...Object.keys(ALIASES),
].sort()

/** The architecture of a `model_type`; null for one that is not read. */
export function findArchitecture(modelType: string): ArchitectureName | null {
  if (Object.hasOwn(ARCHITECTURES, modelType)) return modelType as ArchitectureName
  return (Object.hasOwn(ALIASES, modelType) && ALIASES[modelType]) || null
}
