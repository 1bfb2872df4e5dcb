import { EspalierError } from '../../lib/errors.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import { checkClassifier, REPORT_FILES } from '../../versions/head-version.ts'
import { readModelCard } from '../../versions/model-card.ts'
import type { ReportFiles } from '../heads/request.ts'
import { parseStoredReport } from './stored-report.ts'

/** A report with a confusion of every pair of some thousand labels has less. */
const MAX_BYTES = 256 * 1024 ** 2

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
  const [{ renderMarkdown }, { renderHtml }, { readThumbnails }] = await Promise.all([
    import('../../reports/render-markdown.ts'),
    import('../../reports/render-html.ts'),
    import('../../reports/sections/images.ts'),
  ])
  const thumbnails = hasImages
    ? readThumbnails(report.test?.mistakes ?? [], await read(REPORT_FILES.html))
    : undefined
  try {
    return {
      model,
      json,
      markdown: renderMarkdown(report),
      html: renderHtml(report, thumbnails),
    }
  } catch (cause) {
    // Parts that came later are not checked one by one.
    const message = `the report of ${model} holds what this release cannot show`
    throw new EspalierError('invalid_data', message, { cause })
  }
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
