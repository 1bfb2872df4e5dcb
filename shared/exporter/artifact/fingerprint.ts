import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { ImagePreprocessing } from '../../lib/manifests/image-preprocessing.ts'
import { sha256 } from '../source/model-file.ts'

/** Bumped when artifacts of an older export should be made again. */
export const EXPORTER_VERSION = 'espalier-export-1'

/** Raised whenever the float graphs change in a way that moves vectors. */
const GRAPH_REVISION = 2

/** What makes vectors comparable. */
export interface FamilyParts {
  /** sha256 of the weights, whatever file layout they came in. */
  readonly weights: string
  /** sha256 of tokenizer.json. */
  readonly tokenizer: string
  readonly pooling: string
  readonly normalize: boolean
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPrompt: string | null
  /** Numbers outside the weights that enter the computation. */
  readonly architecture: Readonly<Record<string, string | number>>
}

/** sha256 over what makes vectors comparable: a head names it and is refused on any other. */
export function computeFamily(parts: FamilyParts): string {
  return hashJson({ ...parts, prompts: Object.entries(parts.prompts).sort() })
}

/** The same for an image encoder: its graph with all weights, and how images come to it. */
export function computeImageFamily(parts: {
  readonly graph: string
  readonly preprocessing: ImagePreprocessing
  readonly pooling: string
}): string {
  return hashJson({ ...parts, modality: 'image', preprocessing: flatten(parts.preprocessing) })
}

/** sha256 over what decides the bits of a vector on one kind of CPU. */
export function computeFingerprint(
  family: string,
  precision: Precision,
  quantization: { readonly scheme: string; readonly calibration: string } | null,
): string {
  return hashJson({ family, precision, quantization, revision: GRAPH_REVISION })
}

function flatten({ resize, ...rest }: ImagePreprocessing): [string, unknown][] {
  const { rule, size, interpolation } = resize
  return Object.entries({ ...rest, rule, size, interpolation }).sort()
}

function hashJson(value: object): string {
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return sha256(JSON.stringify(entries))
}
