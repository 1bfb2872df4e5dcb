import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { z } from 'zod'
import { hashFile, verifyFile } from '../encoder/verify-artifact.ts'
import type { SourceAnswers } from '../exporter/source/answers.ts'
import { isImageFolder, PREPROCESSOR_CONFIG } from '../exporter/source/is-image-folder.ts'
import { isReadBesides } from '../exporter/source/own-files.ts'
import { EspalierError } from '../lib/errors.ts'
import type { Progress } from '../lib/logger.ts'
import {
  CALIBRATION_FILE,
  ENCODER_MANIFEST_FILE,
  ENCODER_SCHEMAS,
  type EncoderManifest,
  encoderManifestSchema,
  type Precision,
} from '../lib/manifests/encoder-manifest.ts'
import type { Wording } from '../lib/wording.ts'

/** An encoder on disk, ready to load. */
export interface EncoderArtifact {
  readonly folder: string
  readonly manifest: EncoderManifest
  /** Made by us in the cache: it may be thrown away and made again. */
  readonly cached: boolean
}

/** Where encoders come from and where exports are kept. */
export interface ArtifactOptions {
  /** Folder of the built-in encoders, one folder each with a `source.json`. */
  readonly builtinFolder: string
  readonly cacheFolder: string
  /** A cache that was filled before, as by the build of an image; it is looked into first, and only read. */
  readonly preparedFolder?: string | undefined
  /** Texts for folders without calibration ranges. */
  readonly calibrationTexts: string
  readonly threads: number
  /** What is said of folders that leave something open; built-in encoders leave nothing open. */
  readonly answers?: SourceAnswers | undefined
}

/** Which encoder is wanted. */
export interface WantedEncoder {
  /** The name of a built-in encoder, an artifact folder, or a Hugging Face folder. */
  readonly encoder: string
  readonly precision: Precision
  /** Nobody named the precision: the best that there is runs. @default false */
  readonly orBest?: boolean | undefined
  /** Told what was found, before it is loaded. */
  readonly onArtifact?: ((manifest: EncoderManifest) => void) | undefined
  readonly onProgress?: Progress | undefined
  /** Told what an export took from elsewhere than the folder, and what may be missing in it. */
  readonly onNote?: ((note: Wording) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Part of every cache key: raised when exports of older releases should be made again. */
const EXPORT_REVISION = 2
/** Files of a Hugging Face folder that an export can depend on. */
const SOURCE_EXTENSION = /\.(?:json|safetensors|onnx|onnx_data|data)$/
const SOURCE_FILE = 'source.json'
const sourceSchema = z.object({
  schema: z.literal(1),
  name: z.string(),
  family: z.string(),
  /** Said where no `config.json` says it. */
  dimension: z.int().min(1).optional(),
  files: z.record(z.string(), z.object({ sha256: z.string(), bytes: z.number() })),
})

/**
 * Finds an encoder's artifact; a Hugging Face folder and a built-in encoder are exported into the cache on
 * first use.
 * @throws EspalierError `model_not_found`, `artifact_corrupt`, and whatever an export can throw
 */
export async function prepareArtifact(
  options: ArtifactOptions,
  wanted: WantedEncoder,
): Promise<EncoderArtifact> {
  const builtin = await findBuiltin(options, wanted.encoder)
  if (builtin) return cachedExport(options, wanted, join(options.builtinFolder, builtin), true)
  if (existsSync(join(wanted.encoder, ENCODER_MANIFEST_FILE))) {
    const manifest = await readManifest(wanted.encoder)
    return { folder: wanted.encoder, manifest, cached: false }
  }
  if (existsSync(join(wanted.encoder, 'config.json')) || isImageFolder(wanted.encoder)) {
    return cachedExport(options, wanted, wanted.encoder, false)
  }
  const names = (await listBuiltins(options)).map(({ name }) => name).join(', ')
  throw new EspalierError(
    'model_not_found',
    `there is no encoder "${wanted.encoder}"; it is neither built in (${names}) nor a folder with ${ENCODER_MANIFEST_FILE}, config.json or ${PREPROCESSOR_CONFIG}`,
    { param: 'ESPALIER_ENCODER' },
  )
}

/** The built-in encoders with their folders' names. */
export async function listBuiltins(options: Pick<ArtifactOptions, 'builtinFolder'>): Promise<
  readonly {
    readonly name: string
    readonly folder: string
    readonly family: string
    readonly dimension: number | undefined
    readonly bytes: number
  }[]
> {
  const folders = await readdir(options.builtinFolder, { withFileTypes: true })
  const found = []
  for (const entry of folders) {
    const path = join(options.builtinFolder, entry.name, SOURCE_FILE)
    if (!entry.isDirectory() || !existsSync(path)) continue
    const { name, family, dimension, files } = sourceSchema.parse(
      JSON.parse(await readFile(path, 'utf8')),
    )
    const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0)
    found.push({ name, family, dimension, bytes, folder: entry.name })
  }
  return found
}

/**
 * Reads the manifest of an artifact folder.
 * @throws EspalierError `invalid_model_file`, or `unsupported_schema` for one of a newer release
 */
export async function readManifest(folder: string): Promise<EncoderManifest> {
  const path = join(folder, ENCODER_MANIFEST_FILE)
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new EspalierError('invalid_model_file', `${path}: not valid JSON`, { cause })
  }
  const parsed = encoderManifestSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const schema = z.looseObject({ schema: z.number() }).safeParse(json)
  const newest = Math.max(...ENCODER_SCHEMAS)
  if (schema.success && schema.data.schema > newest) {
    const message = `${path}: schema ${schema.data.schema}; this release reads schema ${newest}, update it`
    throw new EspalierError('unsupported_schema', message)
  }
  const issue = parsed.error.issues[0]
  const message = `${path}: ${issue?.path.join('.')}: ${issue?.message}`
  throw new EspalierError('invalid_model_file', message)
}

async function findBuiltin(options: ArtifactOptions, name: string): Promise<string | undefined> {
  const builtins = await listBuiltins(options)
  return builtins.find((builtin) => builtin.name === name.toLowerCase())?.folder
}

async function cachedExport(
  options: ArtifactOptions,
  wanted: WantedEncoder,
  source: string,
  isBuiltin: boolean,
): Promise<EncoderArtifact> {
  const isImage = isImageFolder(source)
  const files = (await readSource(source))?.files ?? (await hashFolder(source, options.answers))
  const precision = isImage ? imagePrecision(source, wanted.precision) : wanted.precision
  const said = isImage || isBuiltin ? {} : (options.answers ?? {})
  // Without answers the key is that of earlier releases.
  const answers = Object.entries(said).filter(([, value]) => value !== undefined)
  const parts = [EXPORT_REVISION, precision, files, ...(answers.length > 0 ? [answers] : [])]
  const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  const place = join('encoders', key.slice(0, 32))
  const prepared = options.preparedFolder && join(options.preparedFolder, place)
  if (prepared && existsSync(join(prepared, ENCODER_MANIFEST_FILE))) {
    return { folder: prepared, manifest: await readManifest(prepared), cached: false }
  }
  const folder = join(options.cacheFolder, place)
  if (!existsSync(join(folder, ENCODER_MANIFEST_FILE))) {
    await verifySource(source)
    const { onProgress, signal } = wanted
    const common = { folder: source, output: folder, existing: 'keep', onProgress, signal } as const
    if (isImage) {
      const { exportImageEncoder } = await import('../exporter/export-image-encoder.ts')
      await exportImageEncoder({ ...common, precisions: [precision] })
    } else {
      const { exportEncoder } = await import('../exporter/export-encoder.ts')
      await exportEncoder({
        ...common,
        ...said,
        door: 'settings',
        onNote: wanted.onNote,
        precisions: [precision],
        defaultCalibration: options.calibrationTexts,
        threads: options.threads,
      })
    }
  }
  return { folder, manifest: await readManifest(folder), cached: true }
}

/** An image network runs in int8 where it brings ranges that somebody has judged, else in float32. */
function imagePrecision(source: string, wanted: Precision): Precision {
  return wanted === 'int8' && existsSync(join(source, CALIBRATION_FILE)) ? 'int8' : 'float32'
}

async function readSource(folder: string): Promise<z.infer<typeof sourceSchema> | null> {
  const path = join(folder, SOURCE_FILE)
  return existsSync(path) ? sourceSchema.parse(JSON.parse(await readFile(path, 'utf8'))) : null
}

/** Checks the files of a built-in encoder before anything is made from them. */
async function verifySource(folder: string): Promise<void> {
  const source = await readSource(folder)
  if (source === null) return
  for (const [file, wanted] of Object.entries(source.files)) {
    await verifyFile(join(folder, file), file, wanted)
  }
}

/** Names a Hugging Face folder by its content: the files that an export can depend on. */
export async function hashFolder(
  folder: string,
  answers: SourceAnswers = {},
): Promise<Record<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const isRead = isReadBesides(folder)
  const { listDataFiles } = await import('../exporter/source/find-network.ts')
  const data = new Set(await listDataFiles(folder, answers.onnx))
  const hashes: Record<string, string> = {}
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const isBesides = isRead(entry.parentPath, entry.name) || data.has(path)
    if (!isBesides && !SOURCE_EXTENSION.test(entry.name)) continue
    // In a cache of Hugging Face every file is a link.
    const isLink = entry.isSymbolicLink() && (await stat(path).catch(() => null))?.isFile() === true
    if (!entry.isFile() && !isLink) continue
    hashes[relative(folder, path).split(sep).join('/')] = await hashFile(path)
  }
  return Object.fromEntries(Object.entries(hashes).sort())
}
