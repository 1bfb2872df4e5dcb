import type { FeatureSet } from '../../dataset/arrays/feature-file.ts'
import { dataError } from '../../dataset/data-error.ts'
import type { Head } from '../../head/head.ts'
import type { OpenKernels } from '../heads/tools.ts'
import {
  type AdaptSettings,
  type ComparedMethods,
  compareMethods,
  loadAdapting,
  predictTarget,
} from './compare.ts'

/** Features from files: there is no encoder, so the head is handed back instead of published. */
export interface AdaptFeaturesRequest extends AdaptSettings {
  readonly source: FeatureSet
  readonly target: FeatureSet
  /** Rows are divided by their sum, or by their length, before anything else. */
  readonly scale: 'none' | 'sum' | 'length'
}

export interface AdaptedFeatures extends ComparedMethods {
  readonly head: Head
  readonly predictions: Awaited<ReturnType<typeof predictTarget>>
}

/**
 * Adapts a classifier of features to another domain.
 * @throws EspalierError `invalid_data` where the files do not fit each other
 */
export async function adaptFeatures(
  openKernels: OpenKernels,
  request: AdaptFeaturesRequest,
): Promise<AdaptedFeatures> {
  const { source, target, scale } = request
  const tools = await loadAdapting()
  if (source.labels === null) throw dataError(source.name, null, 'the source needs labels')
  const labels = [...new Set(source.labels)].sort()
  const indexOf = new Map(labels.map((label, index) => [label, index]))
  const scaled = ({ features }: FeatureSet) =>
    scale === 'none' ? features : tools.scaleRows(features, scale)
  const sets = {
    labels,
    source: {
      name: source.name,
      features: scaled(source),
      targets: Int32Array.from(source.labels, (label) => indexOf.get(label)!),
    },
    target: {
      name: target.name,
      features: scaled(target),
      truth: readTruth(target, indexOf),
    },
  }
  const kernels = await openKernels()
  try {
    const family = `features/${source.features.columns}`
    const compared = await compareMethods(tools, kernels, sets, { ...request, family })
    const predictions = await predictTarget(compared.chosen, sets.target, kernels)
    return { ...compared, head: compared.chosen.trained.head, predictions }
  } finally {
    await kernels.close()
  }
}

function readTruth(target: FeatureSet, indexOf: ReadonlyMap<string, number>): Int32Array {
  const { labels, name, features } = target
  if (labels === null) return new Int32Array(features.rows).fill(-1)
  return Int32Array.from(labels, (label, row) => {
    const index = label === '' ? -1 : indexOf.get(label)
    if (index !== undefined) return index
    throw dataError(name, null, `row ${row}: the source has no label "${label}"`)
  })
}
