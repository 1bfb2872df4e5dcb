import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  estimateJoint,
  estimateNoise,
  labelMargins,
  noiseMatrix,
  pruneRows,
} from '../../../shared/training/audit/confident-learning.ts'
import { decisionsOf } from '../../../shared/training/audit/judge-label-sets.ts'

interface GoldenCase {
  readonly labels: number
  readonly given: readonly number[]
  readonly probabilities: readonly (readonly number[])[]
  readonly thresholds: readonly number[]
  readonly joint: readonly (readonly number[])[]
  readonly calibratedJoint: readonly (readonly number[])[]
  /** Shape [true, given]. */
  readonly noiseMatrix: readonly (readonly number[])[]
  readonly issues: Readonly<Record<'by-pair' | 'by-label' | 'both', readonly number[]>>
  readonly margins: readonly number[]
  readonly byMargin: readonly number[]
}

const file = new URL('../../golden/confident-learning.json', import.meta.url)
const { cases, several } = JSON.parse(readFileSync(file, 'utf8')) as {
  cases: readonly GoldenCase[]
  several: Pick<GoldenCase, 'labels' | 'probabilities'> & {
    readonly given: readonly (readonly number[])[]
    /** Of each label the rows in doubt. */
    readonly issues: Readonly<
      Record<'by-pair' | 'by-label' | 'both', readonly (readonly number[])[]>
    >
  }
}

function labelled({ labels, given, probabilities }: GoldenCase) {
  const data = Float32Array.from(probabilities.flat())
  return {
    probabilities: { data, rows: given.length, columns: labels },
    given: Int32Array.from(given),
  }
}

describe.each(cases)('confident learning of $labels labels, against cleanlab', (golden) => {
  const rows = labelled(golden)
  const joint = estimateJoint(rows)

  it('has its thresholds and its confident joint', () => {
    golden.thresholds.forEach((threshold, label) => {
      expect(joint.thresholds[label]).toBeCloseTo(threshold, 6)
    })
    expect(Array.from(joint.counts)).toEqual(golden.joint.flat())
  })

  it('has its calibrated joint, of which noise rate and noise matrix follow', () => {
    const all = golden.given.length
    golden.calibratedJoint.flat().forEach((share, at) => {
      expect(joint.calibrated[at]).toBeCloseTo(share * all, 6)
    })
    const kept = golden.calibratedJoint.reduce((sum, row, label) => sum + row[label]!, 0)
    expect(estimateNoise(joint)).toBeCloseTo(1 - kept, 6)
    golden.noiseMatrix.flat().forEach((share, at) => {
      expect(noiseMatrix(joint)[at]).toBeCloseTo(share, 5)
    })
  })

  it.each(['by-pair', 'by-label', 'both'] as const)('finds its issues %s', (pruning) => {
    expect(pruneRows(rows, joint, pruning)).toEqual(golden.issues[pruning])
  })

  it('ranks rows as its normalised margin does', () => {
    const margins = labelMargins(rows)
    golden.margins.forEach((margin, row) => {
      // That one lies between 0 and 1.
      expect((margins[row]! + 1) / 2).toBeCloseTo(margin, 5)
    })
    const order = [...margins.keys()].sort((a, b) => margins[a]! - margins[b]! || a - b)
    expect(order.slice(0, 20)).toEqual(golden.byMargin)
  })
})

describe('confident learning of several labels a row, against cleanlab', () => {
  const { labels, given, probabilities } = several
  const shape = { rows: given.length, columns: labels }
  const has = new Float32Array(given.length * labels)
  for (const [row, set] of given.entries()) for (const label of set) has[row * labels + label] = 1
  const sets = {
    probabilities: { data: Float32Array.from(probabilities.flat()), ...shape },
    given: { data: has, ...shape },
  }

  it.each(['by-pair', 'by-label', 'both'] as const)(
    'finds its issues %s of each label',
    (pruning) => {
      const found = Array.from({ length: labels }, (_, label) => {
        const decisions = decisionsOf(sets, label)
        return pruneRows(decisions, estimateJoint(decisions), pruning)
      })
      expect(found).toEqual(several.issues[pruning])
    },
  )
})
