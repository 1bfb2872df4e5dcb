import type { ErasablePlace } from '../../../../shared/aws/erase-objects.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import { formatModelVersion, parseModelAddress } from '../../../../shared/lib/text/model-address.ts'
import type { RowPlace, RowUse } from '../../../../shared/versions/row-places.ts'
import type { Boot } from '../../../boot/types.ts'

type Registry = Awaited<ReturnType<Boot['openRegistry']>>
type Version = Awaited<ReturnType<Registry['getVersion']>>

/** What is to be erased at one place, and what there is to say of it. */
export interface Erasure {
  readonly url: string
  /** What the rows were for; null for a place that was named as such. */
  readonly use: RowUse | null
  readonly place: ErasablePlace
  readonly note: string | null
}

/** The rows of a version as far as it says where they lie. */
export interface FoundRows {
  /** `name@v7`. */
  readonly model: string
  readonly erasures: readonly Erasure[]
  /** What it does not say, in sentences. */
  readonly unknown: readonly string[]
}

/**
 * Finds the objects that a version was trained and tested with; the caller closes their places.
 * @throws EspalierError `invalid_request` for a version that does not say where its rows lie, `model_not_found`,
 *   `version_not_found`, `registry_unavailable`
 */
export async function findRows(
  registry: Registry,
  address: string,
  signal: AbortSignal,
): Promise<FoundRows> {
  const { readRowPlaces } = await import('../../../../shared/versions/row-places.ts')
  const { findErasable } = await import('../../../../shared/aws/erase-objects.ts')
  const { name } = parseModelAddress(address)
  const { version: number } = await registry.resolve(address, { signal })
  const version = await registry.getVersion(name, number, { signal })
  const model = formatModelVersion(version)
  const places = readRowPlaces(version)
  if (places === null) throw doesNotSay(model, version)
  const erasures: Erasure[] = []
  const seen = new Set<string>()
  try {
    for (const { use, url, versionId } of places) {
      if (url === undefined || seen.has(url)) continue
      seen.add(url)
      const place = await findErasable(url, signal, { exact: true })
      erasures.push({ url, use, place, note: noteOf(url, versionId, place) })
    }
  } catch (error) {
    for (const { place } of erasures) place.close()
    throw error
  }
  return { model, erasures, unknown: tellUnknown(places, erasures) }
}

function doesNotSay(model: string, { lineage }: Version): EspalierError {
  const command = typeof lineage?.command === 'string' ? `: ${lineage.command}` : ' and has none'
  return new EspalierError(
    'invalid_request',
    `${model} does not say where its rows lie: none of them came from S3, or an earlier release trained it. Its command line may tell${command}; name what is to be erased as s3://bucket/key`,
  )
}

/** Said where the object is no longer what was read: its newer versions are erased as well. */
function noteOf(
  url: string,
  versionId: string | undefined,
  { versions }: Erasure['place'],
): string | null {
  const latest = versions.find(({ isLatest }) => isLatest)
  if (versionId === undefined || !latest || latest.versionId === versionId) return null
  const where = url.split('?')[0]
  return `${where} was written again since; what was read is its version ${versionId}, and all of them go`
}

function tellUnknown(places: readonly RowPlace[], erasures: readonly Erasure[]): string[] {
  const elsewhere = places.filter(({ url }) => url === undefined)
  const gone = erasures.filter(({ place }) => place.versions.length === 0)
  return [
    ...elsewhere.map(
      ({ use }) => `its ${use} rows did not come from S3: erase them where they lie`,
    ),
    ...gone.map(
      ({ url, use }) => `its ${use} rows are gone: there is nothing at ${url.split('?')[0]}`,
    ),
  ]
}
