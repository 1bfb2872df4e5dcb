import type { Registry, RegistryVersion } from '../../registry/types.ts'
import type { ReportRecommendation } from '../../reports/types.ts'
import { wasPromoted } from '../../versions/publish-model.ts'
import { type ChampionCheck, promoteVersion } from '../heads/champion.ts'
import type { Promotion } from '../heads/request.ts'
import type { FineTuneClassifierRequest } from './request.ts'

/** A published pair; the encoder is null where the base stayed as it was. */
export interface PublishedPair {
  readonly encoder: RegistryVersion | null
  readonly version: RegistryVersion
  readonly created: boolean
}

/**
 * Makes the pair the champions, the encoder first, so that no server is told of a head whose encoder is not
 * meant yet; refused where the comparison speaks against it, unless that is forced.
 */
export async function promotePair(
  registry: Registry,
  { encoder, version, created }: PublishedPair,
  verdict: { readonly recommendation: ReportRecommendation; readonly champion: ChampionCheck },
  request: FineTuneClassifierRequest,
  signal: AbortSignal | undefined,
): Promise<Promotion> {
  if (request.promote === 'no') return { status: 'none' }
  if (!created && (await wasPromoted(registry, version, signal))) {
    return { status: 'promoted-before' }
  }
  const force = request.promote === 'always'
  const objection = explainRefusal(verdict, request)
  if (objection !== null && !force) return { status: 'refused', reason: objection }
  const { by, reason } = request
  if (encoder !== null) {
    await registry.promote(encoder.name, encoder.version, { by, reason, signal })
  }
  return promoteVersion(registry, version, verdict.champion, { force, by, reason, signal })
}

function explainRefusal(
  { recommendation, champion }: Parameters<typeof promotePair>[2],
  { precision }: FineTuneClassifierRequest,
): string | null {
  const { promote, why } = recommendation
  if (promote !== 'tuned') return why.replace(/\.$/, '')
  if (recommendation.precision !== precision) {
    return `at ${precision}, which is served here, it does not clearly beat the frozen head; at ${recommendation.precision} it does`
  }
  return champion.objection
}
