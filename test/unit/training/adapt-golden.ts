import { readFileSync } from 'node:fs'
import { parseMat } from '../../../shared/dataset/arrays/mat5.ts'
import { type Features, scaleRows } from '../../../shared/training/numerics/features.ts'
import { sharedPath } from '../../shared-folder.ts'

/** Rows of one domain with their classes, from 0. */
export interface Domain {
  readonly features: Features
  readonly targets: Int32Array
  readonly classes: number
}

/** What numpy and scipy computed: see make-adapt.py. */
export interface AdaptGolden {
  readonly logme: readonly {
    readonly rows: number
    readonly columns: number
    readonly classes: number
    readonly data: readonly number[]
    readonly targets: readonly number[]
    readonly score: number
  }[]
  readonly align: readonly {
    readonly rowsSource: number
    readonly rowsTarget: number
    readonly columns: number
    readonly classes: number
    readonly ridge: number
    readonly source: readonly number[]
    readonly sourceTargets: readonly number[]
    readonly target: readonly number[]
    readonly centres: readonly number[]
    readonly labels: readonly number[]
    readonly centresRaw: readonly number[]
    readonly labelsRaw: readonly number[]
  }[]
  readonly programme: readonly {
    readonly rows: number
    readonly classes: number
    readonly cost: readonly number[]
    readonly labels: readonly number[]
    readonly value: number
  }[]
  readonly mat: readonly {
    readonly name: string
    readonly base64: string
    readonly fts: {
      readonly rows: number
      readonly columns: number
      readonly data: readonly number[]
    } | null
  }[]
}

export function readGolden(): AdaptGolden {
  return JSON.parse(readFileSync(new URL('../../golden/adapt.json', import.meta.url), 'utf8'))
}

/** A published data set beside the project; null where that folder is absent. */
export function readDomain(...path: string[]): Domain | null {
  const file = sharedPath('data', ...path)
  if (file === null) return null
  const { arrays } = parseMat(file, readFileSync(file), ['fts', 'labels'])
  const labels = arrays.get('labels')!.data
  const smallest = Math.min(...labels)
  const targets = Int32Array.from(labels, (label) => label - smallest)
  return { features: arrays.get('fts')!, targets, classes: Math.max(...targets) + 1 }
}

/** Square roots of counts, each row scaled to length 1. */
export function rootOfCounts({ features, ...rest }: Domain): Domain {
  const data = Float64Array.from(features.data, Math.sqrt)
  return { ...rest, features: scaleRows({ ...features, data }, 'length') }
}
