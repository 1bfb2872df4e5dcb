import { EspalierError } from '../../lib/errors.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import type { TrainingReport } from '../../reports/types.ts'
import { checkClassifier, REPORT_FILES } from '../../versions/head-version.ts'
import { readModelCard } from '../../versions/model-card.ts'
import type { ReportFiles } from '../heads/request.ts'
import { parseStoredReport } from './stored-report.ts'

/** A report with a confusion of every pair of some thousand labels has less. */
const MAX_BYTES = 256 * 1024 ** 2

/** A stored report, named as its version is. */
interface StoredReport {
  readonly model: string
  /** As it was stored. */
  readonly json: string
  readonly report: TrainingReport
  /** The page as it was stored, which holds the images; null where there are none. */
  readonly page: string | null
}

/**
 * The report of a stored version in the form that this release gives it, from what was stored when it was trained: the
 * figures are those of then, `report.json` is as it is.
 * @param address `name`, `name@alias` or `name@v7`; of a name without a champion the newest version
 * @throws EspalierError `model_not_found`, `version_not_found`, `wrong_model_kind`, `invalid_data` where there is no
 *   report or it cannot be read, `unsupported_schema`, `artifact_corrupt`
 */
export async function renderStoredReport(
  registry: RegistryReader,
  address: string,
  signal?: AbortSignal | undefined,
): Promise<ReportFiles & { readonly model: string }> {
  const { model, json, report, page } = await readStored(registry, address, signal)
  const [{ renderMarkdown }, { renderHtml }, { readThumbnails }] = await Promise.all([
    import('../../reports/render-markdown.ts'),
    import('../../reports/render-html.ts'),
    import('../../reports/sections/images.ts'),
  ])
  const thumbnails = page === null ? undefined : readThumbnails(report.test?.mistakes ?? [], page)
  return rendered(model, () => ({
    model,
    json,
    markdown: renderMarkdown(report),
    html: renderHtml(report, thumbnails),
  }))
}

/**
 * The reports of two stored versions side by side; errors are those of `renderStoredReport`.
 */
export async function renderStoredBeside(
  registry: RegistryReader,
  addresses: readonly [string, string],
  signal?: AbortSignal | undefined,
): Promise<{ readonly models: string; readonly markdown: string; readonly html: string }> {
  const one = await readStored(registry, addresses[0], signal)
  const other = await readStored(registry, addresses[1], signal)
  const models = `${one.model} beside ${other.model}`
  const { renderBeside } = await import('../../reports/beside.ts')
  return rendered(models, () => ({ models, ...renderBeside([one.report, other.report]) }))
}

function rendered<Files>(model: string, render: () => Files): Files {
  try {
    return render()
  } catch (cause) {
    // Parts that came later are not checked one by one.
    const message = `the report of ${model} holds what this release cannot show`
    throw new EspalierError('invalid_data', message, { cause })
  }
}

async function readStored(
  registry: RegistryReader,
  address: string,
  signal: AbortSignal | undefined,
): Promise<StoredReport> {
  const { version } = await readModelCard(registry, address, signal)
  checkClassifier(version)
  const model = formatModelVersion(version)
  const stored = new Set(version.files.map(({ path }) => path))
  if (!stored.has(REPORT_FILES.json)) {
    throw new EspalierError(
      'invalid_data',
      `${model} has no report: it was published from files without a ${REPORT_FILES.json}`,
    )
  }
  const read = (path: string) => readText(registry, version, path, signal)
  const json = await read(REPORT_FILES.json)
  const report = { ...parseStoredReport(json, model), published: model }
  const hasImages = (report.test?.mistakes ?? []).length > 0 && stored.has(REPORT_FILES.html)
  return { model, json, report, page: hasImages ? await read(REPORT_FILES.html) : null }
}

async function readText(
  registry: RegistryReader,
  version: RegistryVersion,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const bytes = await registry.readFile(version, path, { maxBytes: MAX_BYTES, signal })
  return new TextDecoder().decode(bytes)
}
