import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import { isModelName } from '../../lib/text/model-address.ts'
import { MAX_VERSION, versionKey } from './names.ts'
import { decodeRecord, describeIssue, encodeRecord } from './record.ts'

/** The newest schema number of manifests that this program writes and reads. */
export const MANIFEST_SCHEMA = 1
/** Largest manifest, in bytes. */
export const MAX_MANIFEST_BYTES = 1024 * 1024
/** Most files of one version. */
export const MAX_FILES = 64
/** Largest file of a version, in bytes. */
export const MAX_FILE_BYTES = 16 * 1024 ** 3

const FILE_PATH = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,3}$/

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits')
const line = z.string().max(500)
const json = z.record(z.string(), z.unknown())
const name = z.string().refine(isModelName, 'not a model name')
const version = z.int().min(1).max(MAX_VERSION)

const fileSchema = z.object({
  /** Relative path inside the version's folder. */
  path: z.string().regex(FILE_PATH, 'not a relative path of at most 4 plain names'),
  sha256,
  bytes: z.int().min(0).max(MAX_FILE_BYTES),
})
export type ManifestFile = z.infer<typeof fileSchema>

const lineageSchema = z.looseObject({
  /** The encoder's version, as `name@v3`. */
  encoder: line.optional(),
  /** Hash of the training data. */
  dataHash: line.optional(),
  seed: z.number().optional(),
  command: z.string().max(10_000).optional(),
})

export const modelKindSchema = z.enum(['embedding', 'classifier'])
export type ModelKind = z.infer<typeof modelKindSchema>

/** What a publisher says of a version; the registry adds name, number, time and files. */
export const versionDescriptionSchema = z.object({
  kind: modelKindSchema,
  /** What makes vectors comparable; a head carries its encoder's. */
  family: sha256,
  fingerprint: sha256.optional(),
  description: z.string().max(10_000).optional(),
  createdBy: line.optional(),
  /** The card of an encoder or a head: what lists and cards show without its files. */
  metadata: json,
  metrics: json.optional(),
  lineage: lineageSchema.optional(),
})
export type VersionDescription = z.infer<typeof versionDescriptionSchema>

const manifestSchema = z.object({
  schema: z.literal(MANIFEST_SCHEMA),
  name,
  version,
  createdAt: z.iso.datetime(),
  ...versionDescriptionSchema.shape,
  files: z.array(fileSchema).min(1).max(MAX_FILES),
  /** Differs between any two publications: tells a publisher its own manifest from another's. */
  publication: z.string().min(1).max(100),
  /** sha256 of the publisher's idempotency key. */
  idempotencyHash: sha256.optional(),
})
/** One immutable version. */
export type VersionManifest = z.infer<typeof manifestSchema>

const tombstoneSchema = z.object({
  schema: z.literal(MANIFEST_SCHEMA),
  name,
  version,
  kind: modelKindSchema,
  /** That of the version, so that no copy of it comes back; old tombstones have none. */
  publication: z.string().min(1).max(100).optional(),
  idempotencyHash: sha256.optional(),
  deleted: z.object({ at: z.iso.datetime(), by: line.optional(), reason: line.optional() }),
})
/** What stays of a deleted version, so that its number never means anything else. */
export type Tombstone = z.infer<typeof tombstoneSchema>

/**
 * Reads the record of a version.
 * @throws EspalierError `unsupported_schema`, `artifact_corrupt` (also for the record of another version)
 */
export function decodeManifest(
  body: Uint8Array,
  expected: { url: string; name: string; version: number },
): VersionManifest | Tombstone {
  const source = { url: expected.url, key: versionKey(expected.name, expected.version) }
  const choose = (value: unknown): z.ZodType<VersionManifest | Tombstone> =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, 'deleted')
      ? tombstoneSchema
      : manifestSchema
  const record = decodeRecord(choose, MANIFEST_SCHEMA, body, source)
  if (record.name !== expected.name || record.version !== expected.version) {
    throw new EspalierError(
      'artifact_corrupt',
      `${source.key} in ${source.url} describes ${record.name}@v${record.version}`,
    )
  }
  if (!('deleted' in record)) checkFiles(record.files, source.key, 'artifact_corrupt')
  return record
}

/** @throws EspalierError `invalid_data` naming the field that a manifest cannot hold */
export function encodeManifest(manifest: VersionManifest | Tombstone): Uint8Array {
  const what = `manifest of ${manifest.name}@v${manifest.version}`
  const body = encodeRecord(manifest, MAX_MANIFEST_BYTES, what)
  const schema: z.ZodType = 'deleted' in manifest ? tombstoneSchema : manifestSchema
  const parsed = schema.safeParse(manifest)
  if (!parsed.success) {
    throw new EspalierError('invalid_data', `${what}: ${describeIssue(parsed.error)}`)
  }
  if (!('deleted' in manifest)) checkFiles(manifest.files, what, 'invalid_data')
  return body
}

/** Paths must name different files also where case does not count, and none may be the folder of another. */
function checkFiles(
  files: readonly ManifestFile[],
  what: string,
  code: 'artifact_corrupt' | 'invalid_data',
): void {
  const paths = new Set(files.map(({ path }) => path.toLowerCase()))
  if (paths.size < files.length) {
    throw new EspalierError(code, `${what}: two files have the same path`)
  }
  for (const path of paths) {
    const inside = path.split('/').slice(0, -1)
    if (inside.some((_, at) => paths.has(inside.slice(0, at + 1).join('/')))) {
      throw new EspalierError(code, `${what}: ${path} lies below another file`)
    }
  }
}
