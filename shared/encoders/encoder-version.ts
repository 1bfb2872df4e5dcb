import { z } from 'zod'
import { filesToLoad } from '../encoder/verify-artifact.ts'
import {
  type EncoderManifest,
  type Precision,
  precisionSchema,
} from '../lib/manifests/encoder-manifest.ts'
import type { VersionManifest } from '../registry/records/manifest.ts'

/** What a manifest's `metadata` says about an encoder, so that lists and cards need not load it. */
export const encoderCardSchema = z.object({
  /** As its authors write it. */
  encoder: z.string(),
  modality: z.string(),
  architecture: z.string(),
  dimension: z.int().min(1),
  maxTokens: z.int().min(1),
  pooling: z.string(),
  normalize: z.boolean(),
  /** Names of its prompts. */
  prompts: z.array(z.string()),
  precisions: z.array(precisionSchema),
  fingerprints: z.partialRecord(precisionSchema, z.string()),
  /** Bytes of the files that each precision loads. */
  bytes: z.partialRecord(precisionSchema, z.int()),
  quantization: z.string().nullable(),
  createdWith: z.string(),
})
export type EncoderCard = z.infer<typeof encoderCardSchema>

/** Describes an encoder for its manifest. */
export function describeEncoder(manifest: EncoderManifest): EncoderCard {
  const precisions = Object.keys(manifest.graphs) as Precision[]
  const each = <T>(value: (precision: Precision) => T) =>
    Object.fromEntries(precisions.map((precision) => [precision, value(precision)]))
  const sum = (files: readonly string[]) =>
    files.reduce((bytes, file) => bytes + (manifest.files[file]?.bytes ?? 0), 0)
  const { modality, architecture, dimension, pooling, normalize, createdWith } = manifest
  const isText = manifest.modality === 'text'
  return {
    encoder: manifest.name,
    modality,
    architecture,
    dimension,
    maxTokens: isText ? manifest.maxTokens : manifest.tokens,
    pooling,
    normalize,
    prompts: isText ? Object.keys(manifest.prompts) : [],
    precisions,
    fingerprints: each((precision) => manifest.graphs[precision]!.fingerprint),
    bytes: each((precision) => sum(filesToLoad(manifest, precision))),
    quantization: manifest.quantization?.scheme ?? null,
    createdWith,
  }
}

/** The card of an encoder's version; null where it has none that we can read. */
export function readEncoderCard(version: VersionManifest): EncoderCard | null {
  if (version.kind !== 'embedding') return null
  const parsed = encoderCardSchema.safeParse(version.metadata)
  return parsed.success ? parsed.data : null
}
