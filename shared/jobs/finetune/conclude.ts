import { encodeHead } from '../../head/encode.ts'
import { formatModelVersion } from '../../lib/text/model-address.ts'
import { makeThumbnails } from '../heads/thumbnails.ts'
import type { FrozenSide, TunedSide } from './encoder.ts'
import type { FineTuneJob } from './job.ts'
import { promotePair } from './promote.ts'
import { type FineTuneOrigin, publishTunedEncoder, publishTunedHead } from './publish.ts'
import { assembleTunedReport } from './report.ts'
import type { FineTuneClassifierResult } from './request.ts'
import { describeSettings } from './settings.ts'
import type { Verdict } from './verdict.ts'

/** Publishes the encoder, then the head with the report that names it, and promotes both where that is wished. */
export async function conclude(
  { deps, request, data, settings, tools, watch }: FineTuneJob,
  frozen: FrozenSide,
  tuned: TunedSide,
  verdict: Verdict,
): Promise<FineTuneClassifierResult> {
  const { signal, head, weights } = tuned
  const { registry } = deps
  const base = frozen.vectors.encoder
  const told = describeSettings(settings, data.modality)
  const origin: FineTuneOrigin = {
    request,
    data,
    base: { model: formatModelVersion(base), family: base.family },
    settings: told,
    alpha: weights.result.blend.alpha,
  }
  signal?.throwIfAborted()
  const isPublished = !request.dryRun && tuned.folder !== null
  const encoder = isPublished
    ? (await publishTunedEncoder(registry, tuned.folder, origin, signal)).version
    : null
  const unpublished =
    tuned.folder === null ? origin.base.model : `${request.encoderName} (not published)`
  const report = assembleTunedReport({
    ...verdict,
    request,
    data,
    base,
    encoder: tuned.vectors.encoder,
    model: encoder === null ? unpublished : formatModelVersion(encoder),
    tuned: head,
    headBytes: encodeHead(head.head).length,
    comparison: verdict.champion.comparison,
    settings: told,
    result: weights.result,
    timings: watch.timings,
    createdMs: deps.clock.wallMs(),
  })
  const wrong = verdict.judgement?.test.mistakes ?? []
  const thumbnails = await makeThumbnails(deps.openThumbnailer, data.test, wrong)
  const files = tools.renderReport(report, thumbnails)
  const { notes } = weights
  const common = { encoder, report, files, warnings: data.warnings, notes }
  if (request.dryRun) {
    return { ...common, version: null, created: false, promotion: { status: 'none' } }
  }
  const parts = { head: head.head, method: head.method, report, files }
  const published = await publishTunedHead(registry, parts, origin, signal)
  const promotion = await promotePair(registry, { encoder, ...published }, verdict, request, signal)
  return { ...common, ...published, promotion }
}
