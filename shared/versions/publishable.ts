import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { verifyArtifact } from '../encoder/verify-artifact.ts'
import { readManifest } from '../encoders/encoder-artifacts.ts'
import { describeEncoder } from '../encoders/encoder-version.ts'
import { decodeAnswers, MAX_ANSWERS_BYTES } from '../head/answers.ts'
import { decodeHead } from '../head/decode.ts'
import type { Head } from '../head/head.ts'
import { EspalierError, restate } from '../lib/errors.ts'
import { ENCODER_MANIFEST_FILE } from '../lib/manifests/encoder-manifest.ts'
import { HEAD_FILE } from '../lib/manifests/head-header.ts'
import { hint, option, say, task } from '../lib/wording.ts'
import type { PublishFile } from '../registry/blobs.ts'
import type { ModelKind, VersionDescription } from '../registry/records/manifest.ts'
import {
  ANSWERS_FILE,
  collectHeadMetrics,
  describeHead,
  type MeasuredReport,
  REPORT_FILES,
} from './head-version.ts'

/** What lies at a path, read and checked: ready to become a version. */
export interface Publishable {
  /** The name it has by itself; null for a head, which has none. */
  readonly name: string | null
  readonly description: VersionDescription
  readonly files: readonly PublishFile[]
}

const measured = z.number().nullable().catch(null)
/** As much of `report.json` as a manifest tells; newer reports may hold more. */
const reportSchema = z.looseObject({
  encoder: z.looseObject({
    model: z.string(),
    family: z.string(),
    fingerprint: z.string(),
    precision: z.string(),
  }),
  labels: z.array(z.string()),
  method: z.looseObject({ name: z.string(), why: z.string() }),
  dataset: z.looseObject({ sha256: z.string(), joinedColumns: z.array(z.string()).optional() }),
  split: z.looseObject({ trainRows: z.number(), testRows: z.number() }),
  crossValidation: z.looseObject({ accuracy: measured, nll: measured }).nullable(),
  repeatedCrossValidation: z
    .looseObject({
      accuracy: measured,
      interval: z.object({ low: z.number(), high: z.number() }),
    })
    .nullable()
    .catch(null)
    .optional(),
  test: z
    .looseObject({
      accuracy: measured,
      interval: z.object({ low: z.number(), high: z.number() }).nullable(),
      macroF1: measured,
      ece: measured,
      nll: measured,
    })
    .nullable(),
  seed: z.number(),
  command: z.string(),
})
type Report = z.infer<typeof reportSchema> & MeasuredReport

/**
 * Reads an encoder artifact folder, a folder with a head and its reports, or the file of a head.
 * @throws EspalierError `invalid_data` where there is neither, `artifact_corrupt` and the like where it is damaged
 */
export async function readPublishable(
  path: string,
  wanted?: ModelKind | undefined,
): Promise<Publishable> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new EspalierError('invalid_data', `${path}: no such file or folder`, { cause })
  })
  if (info.isFile() && wanted !== 'embedding') return readHeadFile(path)
  const [encoder, head] = await Promise.all([
    isFile(join(path, ENCODER_MANIFEST_FILE)),
    isFile(join(path, HEAD_FILE)),
  ])
  if (encoder && head && wanted === undefined) {
    const message = say`${path} holds an encoder and a head; say which, with ${option('kind')}`
    throw new EspalierError('invalid_request', message)
  }
  if (encoder && wanted !== 'classifier') return readEncoderFolder(path)
  if (head && wanted !== 'embedding') return readHeadFolder(path)
  const expected = {
    embedding: say`an encoder (a folder with ${ENCODER_MANIFEST_FILE}${hint(say`, as ${task('export')} makes it`)})`,
    classifier: say`a classifier (a folder with ${HEAD_FILE}, or that file)`,
  }
  throw new EspalierError(
    'invalid_data',
    wanted === undefined
      ? say`${path} is neither ${expected.embedding} nor ${expected.classifier}`
      : say`${path} is not ${expected[wanted]}`,
  )
}

async function readEncoderFolder(folder: string): Promise<Publishable> {
  const manifest = await readManifest(folder)
  const files = Object.keys(manifest.files)
  await verifyArtifact(folder, manifest, files)
  const fingerprints = Object.values(manifest.graphs).map(({ fingerprint }) => fingerprint)
  return {
    name: manifest.name,
    description: {
      kind: 'embedding',
      family: manifest.family,
      // With several graphs it is the precision that decides.
      ...(fingerprints.length === 1 && { fingerprint: fingerprints[0] }),
      metadata: describeEncoder(manifest),
      lineage: { createdWith: manifest.createdWith },
    },
    files: [ENCODER_MANIFEST_FILE, ...files].map((file) => ({
      path: file,
      source: { file: join(folder, file) },
    })),
  }
}

async function readHeadFile(path: string): Promise<Publishable> {
  const bytes = await readFile(path)
  return describeHeadFiles(decodeNamed(path, bytes), bytes, null, [])
}

async function readHeadFolder(folder: string): Promise<Publishable> {
  const bytes = await readFile(join(folder, HEAD_FILE))
  const head = decodeNamed(join(folder, HEAD_FILE), bytes)
  const reports: PublishFile[] = []
  const answers = join(folder, ANSWERS_FILE)
  if (await isFile(answers)) reports.push(await readAnswersFile(answers, head))
  for (const name of Object.values(REPORT_FILES)) {
    const file = join(folder, name)
    if (await isFile(file)) reports.push({ path: name, source: { bytes: await readFile(file) } })
  }
  const report = (await isFile(join(folder, REPORT_FILES.json)))
    ? await readReport(join(folder, REPORT_FILES.json), head)
    : null
  return describeHeadFiles(head, bytes, report, reports)
}

async function readAnswersFile(path: string, head: Head): Promise<PublishFile> {
  const { size } = await stat(path)
  if (size > MAX_ANSWERS_BYTES) {
    throw new EspalierError('invalid_data', `${path}: more than ${MAX_ANSWERS_BYTES} bytes`)
  }
  const bytes = await readFile(path)
  decodeAnswers(bytes, head)
  return { path: ANSWERS_FILE, source: { bytes } }
}

function describeHeadFiles(
  head: Head,
  bytes: Uint8Array,
  report: Report | null,
  reports: readonly PublishFile[],
): Publishable {
  const joinedColumns = report?.dataset.joinedColumns
  const { name: method, why } = report?.method ?? { name: 'unknown', why: 'published from a file' }
  return {
    name: null,
    description: {
      kind: 'classifier',
      family: head.family,
      metadata: describeHead(head, {
        ...{ method, why, headBytes: bytes.byteLength },
        ...(joinedColumns && { joinedColumns }),
      }),
      ...(report !== null && {
        fingerprint: report.encoder.fingerprint,
        metrics: collectHeadMetrics(report),
        lineage: {
          encoder: report.encoder.model,
          precision: report.encoder.precision,
          dataHash: report.dataset.sha256,
          trainRows: report.split.trainRows,
          seed: report.seed,
          command: report.command.slice(0, 10_000),
        },
      }),
    },
    files: [{ path: HEAD_FILE, source: { bytes } }, ...reports],
  }
}

/** A report is of its head, or it would tell lies. */
async function readReport(path: string, head: Head): Promise<Report> {
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new EspalierError('invalid_data', `${path}: not valid JSON`, { cause })
  }
  const parsed = reportSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const place = issue?.path.join('.')
    throw new EspalierError('invalid_data', `${path}: ${place}: ${issue?.message}`)
  }
  const { encoder, labels } = parsed.data
  const sameLabels =
    labels.length === head.labels.length && labels.every((x, i) => x === head.labels[i])
  if (encoder.family === head.family && sameLabels) return parsed.data
  throw new EspalierError(
    'invalid_data',
    `${path} is the report of another head: ${sameLabels ? 'its family' : 'its labels'} differ`,
  )
}

function decodeNamed(path: string, bytes: Uint8Array): Head {
  try {
    return decodeHead(bytes)
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error
    throw restate(error, { place: { source: path } })
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false
}
