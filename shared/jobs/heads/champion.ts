import type { LabelledExample } from '../../dataset/examples.ts'
import { type Head, isSameReading } from '../../head/head.ts'
import { EspalierError, isEspalierError } from '../../lib/errors.ts'
import { CHAMPION, formatModelVersion } from '../../lib/text/model-address.ts'
import { say, type Wording } from '../../lib/wording.ts'
import type { Registry, RegistryVersion } from '../../registry/types.ts'
import type { ReportChampion } from '../../reports/types.ts'
import { type LoadedHead, readHead } from '../../versions/head-version.ts'
import { wasPromoted } from '../../versions/publish-model.ts'
import { createHeadRunner, markCorrect } from '../rows/apply-head.ts'
import type { HeadJob, Promotion } from './request.ts'

/** The present champion beside a new head. */
export interface ChampionCheck {
  /** Null where the user has no champion of this name; a built-in one does not count. */
  readonly champion: RegistryVersion | null
  readonly comparison: ReportChampion | null
  /** Why the new head must not replace it, as a sentence; null where it may. */
  readonly objection: string | Wording | null
}

/** A head with what it got right on the test rows. */
export interface Contender {
  readonly head: Head
  readonly test: readonly LabelledExample[]
  /** Shape [test rows, dimension]. */
  readonly embeddings: Float32Array
  readonly correct: Uint8Array
  /** The test rows' vectors for a champion of another family or reading; null where they cannot be had. */
  readonly embedFor?:
    | ((champion: RegistryVersion, head: Head) => Promise<Float32Array | null>)
    | undefined
  /** How to get test rows. */
  readonly fix: Wording
}

/** Compares a new head with the present champion on the same test rows. */
export async function compareWithChampion(
  { deps: { registry }, request: { name }, tools, kernels }: HeadJob,
  contender: Contender,
  signal: AbortSignal | undefined,
): Promise<ChampionCheck> {
  const present = await readChampion(registry, name, signal)
  if (present === null) return { champion: null, comparison: null, objection: null }
  const { version } = present
  const model = formatModelVersion(version)
  const refuse = (objection: string | Wording) => ({
    champion: version,
    comparison: null,
    objection,
  })
  if (present.head === null) return refuse(`the champion cannot be read: ${present.reason}`)
  if (contender.test.length === 0) {
    return refuse(
      say`no rows were held out to compare it with the champion ${model}; ${contender.fix}`,
    )
  }
  const embeddings =
    present.head.family === contender.head.family &&
    isSameReading(present.head.reading, contender.head.reading)
      ? contender.embeddings
      : await contender.embedFor?.(version, present.head)
  if (!embeddings) {
    return refuse(
      `the champion ${model} is of family ${present.head.family}, the new head of ${contender.head.family}: ` +
        'they cannot be compared on the same vectors',
    )
  }
  const runner = createHeadRunner(present.head, kernels)
  const predictions = await runner.run(embeddings)
  const correct = markCorrect(present.head, predictions, contender.test)
  const difference = tools.compareHeads(contender.correct, correct)
  const accuracy = correct.reduce((sum, right) => sum + right, 0) / correct.length
  const comparison = { model, accuracy, macroF1: null, ...difference }
  return { champion: version, comparison, objection: explainWorse(comparison, contender.correct) }
}

/** A published head, and the encoder below it where that was published with it. */
export interface PublishedHead {
  readonly version: RegistryVersion
  /** False where the idempotency key had made the version before. */
  readonly created: boolean
  readonly encoder: RegistryVersion | null
}

/**
 * Makes a published version the champion as the promotion mode says, its own encoder first, so that no server is
 * told of a head whose encoder is not meant yet. Refused where something speaks against it, unless that is forced.
 */
export async function promoteHead(
  { deps: { registry }, request: { promote, by, reason } }: HeadJob,
  { version, created, encoder }: PublishedHead,
  { champion, objection }: Pick<ChampionCheck, 'champion' | 'objection'>,
  signal: AbortSignal | undefined,
): Promise<Promotion> {
  if (promote === 'no') return { status: 'none' }
  if (!created && (await wasPromoted(registry, version, signal))) {
    return { status: 'promoted-before' }
  }
  const force = promote === 'always'
  if (objection !== null && !force) return { status: 'refused', reason: objection }
  const change = { by, reason, signal }
  if (encoder !== null) await registry.promote(encoder.name, encoder.version, change)
  const from = champion?.version ?? null
  try {
    const condition = force ? {} : { ifCurrent: from }
    await registry.promote(version.name, version.version, { ...change, ...condition })
    return { status: 'promoted', from }
  } catch (error) {
    // The version is there already; only the alias did not move.
    if (!isEspalierError(error, 'version_conflict')) throw error
    return { status: 'refused', reason: error.message }
  }
}

type Present = LoadedHead | { readonly version: RegistryVersion; head: null; reason: string }

async function readChampion(
  registry: Registry,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Present | null> {
  let version: RegistryVersion
  try {
    const resolved = await registry.resolve(`${name}@${CHAMPION}`, { signal })
    version = await registry.getVersion(name, resolved.version, { signal })
  } catch (error) {
    const none =
      isEspalierError(error, 'model_not_found') || isEspalierError(error, 'version_not_found')
    if (none) return null
    throw error
  }
  if (version.origin === 'builtin') return null
  try {
    return await readHead(registry, formatModelVersion(version), signal)
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error
    return { version, head: null, reason: error.message }
  }
}

function explainWorse(champion: ReportChampion, correct: Uint8Array): string | null {
  if (champion.high >= 0) return null
  const accuracy = correct.reduce((sum, right) => sum + right, 0) / correct.length
  const percent = (share: number | null) => `${((share ?? 0) * 100).toFixed(1)} %`
  const points = (share: number) => (share * 100).toFixed(1)
  return (
    `it is worse than the champion ${champion.model}: accuracy ${percent(accuracy)} against ` +
    `${percent(champion.accuracy)} on the same ${correct.length} test rows, a difference of ` +
    `${points(champion.difference)} points (95 % interval ${points(champion.low)} to ${points(champion.high)})`
  )
}
