import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CPU_GROUPING, groupByLength } from '../../../shared/runtime/grouping.ts'

const lengths = fc.array(fc.integer({ min: 2, max: 600 }), { maxLength: 200 })

test('every input is in exactly one group', () => {
  fc.assert(
    fc.property(lengths, (input) => {
      const members = groupByLength(input, CPU_GROUPING).flatMap((group) => group.members)
      expect(members.toSorted((a, b) => a - b)).toEqual([...input.keys()])
    }),
  )
})

test('a group keeps the token budget and the waste limit unless it is one input', () => {
  fc.assert(
    fc.property(lengths, (input) => {
      for (const { members, width } of groupByLength(input, CPU_GROUPING)) {
        const real = members.map((member) => input[member] as number)
        expect(width).toBe(Math.max(...real))
        if (members.length === 1) continue
        const sum = real.reduce((a, b) => a + b, 0)
        const padded = width * members.length
        expect(padded).toBeLessThanOrEqual(CPU_GROUPING.maxTokens)
        const slack = CPU_GROUPING.slackTokens + CPU_GROUPING.slackRatio * sum
        expect(padded - sum).toBeLessThanOrEqual(slack)
      }
    }),
  )
})

test('equal lengths fill whole runs', () => {
  const groups = groupByLength(new Array(40).fill(32), CPU_GROUPING)
  expect(groups.map((group) => group.members.length)).toEqual([16, 16, 8])
})

test('alternating short and long inputs never share a run', () => {
  const input = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 3 : 512))
  const groups = groupByLength(input, CPU_GROUPING)
  expect(groups).toHaveLength(11)
  expect(groups.at(-1)?.members).toHaveLength(10)
})
