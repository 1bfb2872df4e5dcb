import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { type AnswerFacts, decodeAnswers, MAX_ANSWERS_BYTES } from '../head/answers.ts'
import { decodeHead } from '../head/decode.ts'
import type { Head } from '../head/head.ts'
import { EspalierError } from '../lib/errors.ts'
import { HEAD_FILE } from '../lib/manifests/head-header.ts'
import { formatModelVersion } from '../lib/text/model-address.ts'
import { hint, say, task } from '../lib/wording.ts'
import type { VersionManifest } from '../registry/records/manifest.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'

/** What is known of its answers; absent where nothing is, and left alone by releases that do not know it. */
export const ANSWERS_FILE = 'answers.json'
export const REPORT_FILES = {
  markdown: 'report.md',
  json: 'report.json',
  html: 'report.html',
} as const
/** Largest head that is read into memory, in bytes. */
const MAX_HEAD_BYTES = 4 * 1024 ** 3
/** All labels are listed in the card up to this length, in characters; the head itself has them all. */
const MAX_LISTED_LENGTH = 64 * 1024

/** What a manifest's `metadata` says about a head, so that lists and cards need not load it. */
export const headCardSchema = z.object({
  labelCount: z.int().min(1),
  /** Null where they are too long to be listed. */
  labels: z.array(z.string()).nullable(),
  dimension: z.int().min(1),
  multiLabel: z.boolean(),
  method: z.string(),
  why: z.string(),
  headBytes: z.int(),
  neighbourRows: z.int(),
  detector: z.boolean(),
  /** The score from which answers are right with a precision; absent where the version has none. */
  abstention: z.object({ precision: z.number(), minScore: z.number() }).optional(),
  /** Columns whose texts it was trained on joined, in their order; absent where there was one. */
  joinedColumns: z.array(z.string()).optional(),
})
export type HeadCard = z.infer<typeof headCardSchema>

/** Why no server would take a file of a version, of which there is a copy here; null where it would, or it is no head. */
export async function inspectHead(
  { kind, path }: { readonly kind: string; readonly path: string },
  copy: string,
): Promise<string | null> {
  if (kind !== 'classifier' || path !== HEAD_FILE) return null
  try {
    decodeHead(await readFile(copy))
    return null
  } catch (error) {
    if (error instanceof EspalierError) return error.message
    throw error
  }
}

/** Describes a head for its manifest. */
export function describeHead(
  head: Head,
  given: Pick<HeadCard, 'method' | 'why' | 'headBytes' | 'joinedColumns' | 'abstention'>,
): HeadCard {
  const length = head.labels.reduce((sum, label) => sum + label.length + 4, 0)
  return {
    ...given,
    labelCount: head.labels.length,
    labels: length <= MAX_LISTED_LENGTH ? [...head.labels] : null,
    dimension: head.dimension,
    multiLabel: head.activation === 'sigmoid',
    neighbourRows: head.memory?.labels.length ?? 0,
    detector: head.detector !== null,
  }
}

/** The card of a classifier's manifest; null where it has none that we can read. */
export function readHeadCard(version: VersionManifest): HeadCard | null {
  const parsed = headCardSchema.safeParse(version.metadata)
  return parsed.success ? parsed.data : null
}

/**
 * The columns whose texts a version was trained on joined; undefined where there was one.
 * @throws EspalierError `model_not_found`, `version_not_found`
 */
export async function recallColumns(
  registry: RegistryReader,
  address: string,
  signal?: AbortSignal | undefined,
): Promise<readonly string[] | undefined> {
  const { name, version } = await registry.resolve(address, { signal })
  return readHeadCard(await registry.getVersion(name, version, { signal }))?.joinedColumns
}

/** A version with its head, verified and decoded. */
export interface LoadedHead {
  readonly version: RegistryVersion
  readonly head: Head
  readonly answers: AnswerFacts
}

/**
 * Reads a head past every cache: for jobs and command lines.
 * @throws EspalierError `model_not_found`, `version_not_found`, `wrong_model_kind`, `artifact_corrupt`
 */
export async function readHead(
  registry: RegistryReader,
  address: string,
  signal?: AbortSignal | undefined,
): Promise<LoadedHead> {
  const resolved = await registry.resolve(address, { signal })
  const version = await registry.getVersion(resolved.name, resolved.version, { signal })
  checkClassifier(version)
  const limits = { maxBytes: MAX_HEAD_BYTES, signal }
  const head = decodeHead(await registry.readFile(version, HEAD_FILE, limits))
  if (head.family === version.family) {
    return { version, head, answers: await readAnswers(registry, version, head, signal) }
  }
  throw new EspalierError(
    'artifact_corrupt',
    `${formatModelVersion(version)}: its manifest names family ${version.family}, its ${HEAD_FILE} ${head.family}`,
  )
}

/**
 * What a version knows of its answers; nothing where it has no such file.
 * @throws EspalierError `artifact_corrupt`, `registry_unavailable`
 */
export async function readAnswers(
  registry: Pick<RegistryReader, 'readFile'>,
  version: RegistryVersion,
  head: Head,
  signal?: AbortSignal | undefined,
): Promise<AnswerFacts> {
  if (version.files.every(({ path }) => path !== ANSWERS_FILE)) return {}
  const limits = { maxBytes: MAX_ANSWERS_BYTES, signal }
  return decodeAnswers(await registry.readFile(version, ANSWERS_FILE, limits), head)
}

/** @throws EspalierError `wrong_model_kind` */
export function checkClassifier(version: VersionManifest): void {
  if (version.kind === 'classifier') return
  throw new EspalierError(
    'wrong_model_kind',
    say`${formatModelVersion(version)} is an encoder; name a classifier${hint(say`, ${task('models')} lists them`)}`,
  )
}

/**
 * Refuses a network's own output layer where only unit vectors are at hand.
 * @throws EspalierError `unsupported_model`
 */
export function checkReadsUnit({ version, head }: LoadedHead): void {
  if (head.reads === undefined) return
  throw new EspalierError(
    'unsupported_model',
    `${formatModelVersion(version)} is a network's own output layer, which is served and predicts, but is not evaluated or compared here`,
  )
}

/**
 * Refuses a head whose encoder family is not the one at hand.
 * @throws EspalierError `family_mismatch` naming both families
 */
export function checkFamily(
  model: { readonly name: string; readonly version: number },
  headFamily: string,
  encoder: { readonly name: string; readonly family: string },
  lineage?: string | undefined,
): void {
  if (headFamily === encoder.family) return
  const trained = lineage ? `${lineage} (family ${headFamily})` : `family ${headFamily}`
  throw new EspalierError(
    'family_mismatch',
    `${formatModelVersion(model)} was trained on ${trained}; ${encoder.name} is of family ${encoder.family}: ` +
      'use the encoder it was trained on, or train it again',
  )
}

/** A number that is unknown where it is null or not finite. */
type Measured = number | null | undefined

/** What a report measures, as far as manifests tell it. */
export interface MeasuredReport {
  readonly split: { readonly testRows: number }
  readonly crossValidation: { readonly accuracy: Measured; readonly nll: Measured } | null
  readonly repeatedCrossValidation?:
    | {
        readonly accuracy: Measured
        readonly interval: { readonly low: number; readonly high: number }
      }
    | null
    | undefined
  readonly test: {
    readonly accuracy: Measured
    readonly interval: { readonly low: number; readonly high: number } | null
    readonly macroF1: Measured
    readonly ece: Measured
    readonly nll: Measured
  } | null
}

/** The metrics of a classifier's manifest. */
export function collectHeadMetrics({
  split,
  crossValidation,
  repeatedCrossValidation: repeated,
  test,
}: MeasuredReport) {
  return {
    accuracy: measure(test?.accuracy),
    accuracyLow: measure(test?.interval?.low),
    accuracyHigh: measure(test?.interval?.high),
    macroF1: measure(test?.macroF1),
    ece: measure(test?.ece),
    nll: measure(test?.nll),
    testRows: split.testRows,
    crossValidatedAccuracy: measure(crossValidation?.accuracy),
    crossValidatedNll: measure(crossValidation?.nll),
    ...(repeated != null && {
      repeatedAccuracy: measure(repeated.accuracy),
      repeatedAccuracyLow: measure(repeated.interval.low),
      repeatedAccuracyHigh: measure(repeated.interval.high),
    }),
  }
}

/** A number that JSON can carry; null where it is unknown. */
function measure(value: Measured): number | null {
  return value != null && Number.isFinite(value) ? value : null
}
