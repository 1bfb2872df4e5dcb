import type { Model } from '../../shared/contract/models.ts'
import type { ClassifierEntry } from '../../shared/service/classifiers.ts'
import type { EncoderEntry } from '../../shared/service/models.ts'

/** A served encoder in the shape of `/v1/models`. */
export function describeEncoder(entry: EncoderEntry): Model {
  const { info } = entry
  return {
    id: info.name,
    object: 'model',
    created: entry.createdSeconds,
    owned_by: 'espalier',
    kind: entry.kind,
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

/** A classifier in the shape of `/v1/models`. */
export function describeClassifier(entry: ClassifierEntry): Model {
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
  }
}
