import { describe, expect, it } from 'vitest'
import type { LabelledExample } from '../../../shared/dataset/examples.ts'
import { splitExamples } from '../../../shared/jobs/rows/split-examples.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { assignFolds } from '../../../shared/training/numerics/folds.ts'

interface Drawn {
  readonly classes: Int32Array
  readonly together: Int32Array
}

/** Rows of some classes in units of one to six rows, some of several classes, some of one row alone. */
function drawUnits(seed: number): Drawn {
  const random = createRandom(seed)
  const rows = 20 + random.below(200)
  const classCount = 2 + random.below(6)
  const units = 2 + random.below(rows / 3)
  const isMixed = seed % 3 === 0
  const ofUnit = Array.from({ length: units }, () => random.below(classCount))
  const together = Int32Array.from({ length: rows }, () => random.below(units + 5) - 5)
  const classes = together.map((unit) =>
    unit < 0 || isMixed ? random.below(classCount) : ofUnit[unit]!,
  )
  return { classes, together: together.map((unit) => Math.max(-1, unit)) }
}

/** The units of each class; a row alone is one. */
function unitsOf({ classes, together }: Drawn): Map<number, Set<string>> {
  const found = new Map<number, Set<string>>()
  classes.forEach((own, row) => {
    const unit = together[row]! < 0 ? `alone ${row}` : `${together[row]}`
    found.set(own, (found.get(own) ?? new Set()).add(unit))
  })
  return found
}

function expectNoneOnTwoSides(together: Int32Array, side: (row: number) => number): void {
  const sides = new Map<number, number>()
  together.forEach((unit, row) => {
    if (unit < 0) return
    expect(sides.get(unit) ?? side(row)).toBe(side(row))
    sides.set(unit, side(row))
  })
}

const SEEDS = Array.from({ length: 150 }, (_, seed) => seed)

describe('folds of units', () => {
  it('never part a unit, and every fold leaves rows of each class to learn', () => {
    for (const seed of SEEDS) {
      const drawn = drawUnits(seed)
      const { classes, together } = drawn
      const assigned = assignFolds(classes, 5, createRandom(seed), together)
      expect(assignFolds(classes, 5, createRandom(seed), together)).toEqual(assigned)
      expectNoneOnTwoSides(together, (row) => assigned[row]!)
      for (const own of unitsOf(drawn).keys()) {
        for (let fold = 0; fold < 5; fold++) {
          expect(classes.some((each, row) => each === own && assigned[row] !== fold)).toBe(true)
        }
      }
    }
  })

  it('hold out the share of each class that whole units allow', () => {
    const together = Int32Array.from({ length: 300 }, (_, row) => Math.floor(row / 3))
    const classes = together.map((unit) => (unit < 80 ? 0 : 1))
    const assigned = assignFolds(classes, 5, createRandom(3), together)
    for (let fold = 0; fold < 5; fold++) {
      const count = (own: number) =>
        classes.filter((each, row) => each === own && assigned[row] === fold).length
      expect([count(0), count(1)]).toEqual([48, 12])
    }
  })

  it('hold nothing out where one unit has all rows, and are as before where all rows stand alone', () => {
    const classes = Int32Array.from({ length: 40 }, (_, row) => row % 2)
    const one = assignFolds(classes, 5, createRandom(1), new Int32Array(40))
    expect(new Set(one)).toEqual(new Set([-1]))
    const alone = assignFolds(classes, 5, createRandom(1), new Int32Array(40).fill(-1))
    expect(alone).toEqual(assignFolds(classes, 5, createRandom(1)))
  })
})

describe('a split of units', () => {
  const examplesOf = ({ classes, together }: Drawn): LabelledExample[] =>
    Array.from(classes, (own, row) => ({
      ...{ text: `text ${row}`, labels: [`label ${own}`] },
      ...(together[row]! >= 0 && { together: together[row]! }),
    }))

  it('never parts a unit, and every class keeps a row to learn', () => {
    for (const seed of SEEDS) {
      const drawn = drawUnits(seed)
      const examples = examplesOf(drawn)
      const split = splitExamples(examples, 0.2, seed)
      expect(split).toEqual(splitExamples(examples, 0.2, seed))
      expect([...split.train, ...split.test].sort((a, b) => a - b)).toEqual([...examples.keys()])
      const test = new Set(split.test)
      expectNoneOnTwoSides(drawn.together, (row) => Number(test.has(row)))
      const learnt = new Set(split.train.map((row) => drawn.classes[row]))
      expect(learnt).toEqual(new Set(drawn.classes))
    }
  })

  it('holds out about the share, and mostly the same rows when rows are added', () => {
    const drawn = (rows: number): LabelledExample[] =>
      Array.from({ length: rows }, (_, row) => ({
        ...{ text: `text ${row}`, labels: [row % 8 < 4 ? 'a' : 'b'] },
        together: Math.floor(row / 4),
      }))
    const before = splitExamples(drawn(400), 0.2, 5).test
    expect(before).toHaveLength(80)
    const after = new Set(splitExamples(drawn(440), 0.2, 5).test)
    expect(after.size).toBe(88)
    expect(before.filter((row) => after.has(row)).length).toBeGreaterThan(60)
  })
})
