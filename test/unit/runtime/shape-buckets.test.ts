import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { openTextGraph, roundUpSize, shapeRun } from '../../../shared/runtime/text/text-graph.ts'

const work = mkdtempSync(join(tmpdir(), 'espalier-buckets-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))
const size = fc.integer({ min: 1, max: 100_000 })

describe('roundUpSize', () => {
  it('gives the sizes of two steps a doubling', () => {
    const sizes = new Set(Array.from({ length: 64 }, (_, i) => roundUpSize(i + 1)))
    expect([...sizes]).toEqual([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
  })

  it('is never smaller, never half as large again, and stays where it is', () => {
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        expect(roundUpSize(low)).toBeLessThanOrEqual(roundUpSize(high))
        expect(roundUpSize(a)).toBeGreaterThanOrEqual(a)
        expect(roundUpSize(a)).toBeLessThan(1.5 * a + 1)
        expect(roundUpSize(roundUpSize(a))).toBe(roundUpSize(a))
      }),
    )
  })
})

describe('shapeRun', () => {
  it('leaves CPUs alone and keeps to the positions of the encoder on GPUs', () => {
    expect(shapeRun(5, 13, 512, 'cpu')).toEqual({ rows: 5, width: 13 })
    expect(shapeRun(5, 13, 512, 'cuda')).toEqual({ rows: 6, width: 16 })
    expect(shapeRun(1, 2, 512, 'webgpu')).toEqual({ rows: 1, width: 8 })
    expect(shapeRun(1, 250, 250, 'cuda')).toEqual({ rows: 1, width: 250 })
    expect(shapeRun(1, 2, 4, 'cuda')).toEqual({ rows: 1, width: 4 })
  })

  it('gives few shapes, whatever comes', () => {
    const shapes = new Set<string>()
    for (let rows = 1; rows <= 512; rows++) {
      for (let width = 2; width <= 512; width++) {
        const shape = shapeRun(rows, width, 512, 'cuda')
        shapes.add(`${shape.rows}x${shape.width}`)
      }
    }
    expect(shapes.size).toBeLessThan(250)
  })
})

describe('a graph given rounded shapes', () => {
  it.each(['bert-mean', 'bert-cls-prompts', 'bert-mean-unnormalized', 'onnx-mean'])(
    '%s gives the same vectors',
    async (name) => {
      const folder = fileURLToPath(new URL(`../../golden/checkpoints/${name}`, import.meta.url))
      const output = join(work, name)
      const manifest = await exportEncoder({ folder, output, precisions: ['float32'] })
      const spec = manifest.graphs.float32!
      const open = (shapes: 'cpu' | 'cuda') => openTextGraph(output, manifest, spec, 'cpu', shapes)
      const [exact, rounded] = [await open('cpu'), await open('cuda')]
      const lengths = [5, 9, 3, 4, 7]
      const ids = lengths.map((length, row) =>
        Array.from({ length }, (_, i) => (i === 0 ? 2 : 5 + ((row + i) % 20))),
      )
      const wanted = { embedding: true, pooled: spec.pooled !== null }
      for (const members of [[0], [1, 2], [4, 3, 2, 1, 0]]) {
        const group = { members, width: Math.max(...members.map((i) => lengths[i]!)) }
        const expected = await exact.run(ids, group, wanted)
        const found = await rounded.run(ids, group, wanted)
        expect(found.embedding).toHaveLength(members.length * manifest.dimension)
        const pairs = [
          [found.embedding, expected.embedding],
          [found.pooled, expected.pooled],
        ] as const
        for (const [ours, theirs] of pairs) {
          ours?.forEach((value, i) => void expect(value).toBeCloseTo(theirs![i]!, 5))
          expect(ours === null).toBe(theirs === null)
        }
      }
      await exact.release()
      await rounded.release()
    },
  )
})
