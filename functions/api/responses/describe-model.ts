import type { Model } from '../../../shared/contract/models.ts'
import type { ClassifierEntry, ClassifierShadow } from '../../../shared/serving/classifiers.ts'
import type { EncoderEntry } from '../../../shared/serving/models.ts'

/** A served encoder in the shape of `/v1/models`. */
export function describeEncoder(entry: EncoderEntry): Model {
  const { info } = entry
  return {
    id: info.name,
    object: 'model',
    created: entry.createdSeconds,
    owned_by: 'espalier',
    kind: entry.kind,
    modality: info.modality,
    version: info.version,
    versions: [...entry.versions],
    aliases: { ...entry.aliases },
    dimension: info.dimension,
    max_tokens: info.maxTokens,
    pooling: info.pooling,
    precision: info.precision,
    prompts: Object.keys(info.prompts),
    family: info.family,
    fingerprint: info.fingerprint,
  }
}

/** A classifier in the shape of `/v1/models`, with what its shadow said where `detailed`. */
export function describeClassifier(entry: ClassifierEntry, detailed = false): Model {
  return {
    id: entry.name,
    object: 'model',
    created: entry.createdSeconds,
    owned_by: 'espalier',
    kind: entry.kind,
    version: entry.version,
    versions: [...entry.versions],
    aliases: { ...entry.aliases },
    family: entry.family,
    label_count: entry.labels,
    traffic: entry.traffic?.map((share) => ({ ...share })) ?? null,
    shadow: entry.shadow && describeShadow(entry.shadow, detailed),
  }
}

function describeShadow(
  { version, samplePercent, results, skipped }: ClassifierShadow,
  detailed: boolean,
) {
  const base = { version, sample_percent: samplePercent }
  if (!detailed) return base
  return {
    ...base,
    results: results.map(({ answered, inputs, agreed, changes, ...shift }) => ({
      answered,
      inputs,
      agreed,
      mean_shift: shift.meanShift,
      mean_absolute_shift: shift.meanAbsoluteShift,
      changes: changes.map((change) => ({ ...change })),
    })),
    skipped: { ...skipped },
  }
}
