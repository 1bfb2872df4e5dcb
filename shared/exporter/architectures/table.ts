import type { ArchitectureName } from '../../lib/manifests/encoder-manifest.ts'
import type { Architecture } from './architecture.ts'
import { bert } from './bert.ts'
import { distilbert } from './distilbert.ts'
import { roberta } from './roberta.ts'

/** The architectures whose weights are read, by the `model_type` of their `config.json`. */
export const ARCHITECTURES: Readonly<Record<ArchitectureName, Architecture>> = {
  bert,
  distilbert,
  roberta,
}
