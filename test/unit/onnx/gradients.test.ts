import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addGradients, GRADIENT_RULES } from '../../../shared/onnx/autodiff.ts'
import { GraphBuilder } from '../../../shared/onnx/graph.ts'
import { inferShapes } from '../../../shared/onnx/infer-shapes.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { openSession } from '../../../shared/runtime/session.ts'
import { numericGradient } from '../../reference/central-differences.ts'
import { interpret } from '../../reference/interpreter.ts'
import { sizeOf, type Tensor, tensor } from '../../reference/tensor.ts'
import { type CaseInput, FREE_SIZES, GRADIENT_CASES, type GradientCase } from './gradient-cases.ts'

/** Σ y·r over the operator's output y, so that every element of y has a gradient of its own. */
function buildCase({ inputs, differentiated = inputs.length, build }: GradientCase) {
  const g = new GraphBuilder('case')
  const names = inputs.map(({ shape }, i) => g.input(`x${i}`, 'float32', shape))
  const output = build(g, ...names)
  const shape = inferShapes(g.build()).shapes.get(output) ?? []
  const weights = g.input('r', 'float32', shape)
  const loss = g.op('ReduceSum', [g.op('Mul', [output, weights])], { keepdims: 0 })
  const gradients = addGradients(g, loss, names.slice(0, differentiated))
  g.output(output, output, 'float32', shape)
  g.output(loss, loss, 'float32', [])
  gradients.forEach((gradient, i) => {
    g.output(gradient, gradient, 'float32', inputs[i]?.shape ?? [])
  })
  return { graph: g.build(), names, output, loss, gradients, weightShape: shape }
}

/** Distinct values, evenly spread and shuffled: none of them equal, none of them zero. */
function spread({ shape, low = -2, high = 2 }: CaseInput, seed: number): Tensor {
  const dims = shape.map((dim) =>
    String(dim)
      .split('*')
      .reduce((product, part) => product * (FREE_SIZES[part] ?? Number(part)), 1),
  )
  const count = sizeOf(dims)
  const shift = 0.3 + ((seed % 97) / 97) * 0.35
  const values = Array.from({ length: count }, (_, i) => low + ((high - low) * (i + shift)) / count)
  let state = seed >>> 0
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const j = state % (i + 1)
    ;[values[i], values[j]] = [values[j] as number, values[i] as number]
  }
  return tensor(dims, values.map(Math.fround))
}

function feedsOf(built: ReturnType<typeof buildCase>, inputs: readonly CaseInput[], seed: number) {
  const feeds: Record<string, Tensor> = { r: spread({ shape: built.weightShape }, seed + 1009) }
  inputs.forEach((input, i) => {
    feeds[`x${i}`] = spread(input, seed + 31 * (i + 1))
  })
  return feeds
}

describe('gradients', () => {
  it('has a case for every operator', () => {
    const covered = GRADIENT_CASES.map(({ name }) => name.split(',')[0])
    expect([...new Set(covered)].sort()).toEqual(Object.keys(GRADIENT_RULES).sort())
  })

  it.each(GRADIENT_CASES)('is the slope of $name', (example) => {
    const built = buildCase(example)
    const run = interpret(built.graph)
    fc.assert(
      fc.property(fc.nat(1_000_000), (seed) => {
        const feeds = feedsOf(built, example.inputs, seed)
        const found = run(feeds, built.gradients)
        found.forEach((gradient, i) => {
          const name = built.names[i] as string
          const wanted = numericGradient((changed) => {
            const [loss] = run({ ...feeds, [name]: changed }, [built.loss])
            return (loss as Tensor).data[0] as number
          }, feeds[name] as Tensor)
          expect(gradient.dims).toEqual(feeds[name]?.dims)
          const largest = Math.max(1, ...wanted.map(Math.abs))
          gradient.data.forEach((value, at) => {
            expect(Math.abs(value - (wanted[at] as number)), `${name}[${at}]`).toBeLessThan(
              1e-6 * largest,
            )
          })
        })
      }),
      { numRuns: 5 },
    )
  })

  it.each(GRADIENT_CASES)('is computed alike by ONNX Runtime: $name', async (example) => {
    const built = buildCase(example)
    const feeds = feedsOf(built, example.inputs, 4711)
    const names = [built.output, built.loss, ...built.gradients]
    const wanted = interpret(built.graph)(feeds, names)
    const session = await openSession(serializeModel(built.graph).graph, { optimization: 'basic' })
    try {
      const given = Object.entries(feeds).map(([name, { dims, data }]) => [
        name,
        { dims, data: Float32Array.from(data) },
      ])
      const found = await session.run(Object.fromEntries(given), names)
      for (const [i, name] of names.entries()) {
        const { dims, data } = wanted[i] as Tensor
        expect(found[name]?.dims).toEqual(dims)
        const largest = data.reduce((max, value) => Math.max(max, Math.abs(value)), 1)
        data.forEach((value, at) => {
          const difference = Math.abs(value - Number(found[name]?.data[at]))
          expect(difference, `${name}[${at}]`).toBeLessThan(2e-6 * largest)
        })
      }
    } finally {
      await session.release()
    }
  })
})
