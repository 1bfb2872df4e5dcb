import { describe, expect, it } from 'vitest'
import { addGradients } from '../../../shared/onnx/autodiff.ts'
import { GraphBuilder } from '../../../shared/onnx/graph.ts'

/** x [batch, 4] and w [4, 4], both inputs. */
function start() {
  const g = new GraphBuilder('test')
  const x = g.input('x', 'float32', ['batch', 4])
  const w = g.input('w', 'float32', [4, 4])
  const sum = (value: string) => g.op('ReduceSum', [value], { keepdims: 0 })
  const added = (from: number) => g.build().nodes.slice(from)
  return { g, x, w, sum, added }
}

describe('addGradients', () => {
  it('names an operator that has no gradient', () => {
    const { g, w, sum } = start()
    const loss = sum(g.op('Floor', [w]))
    expect(() => addGradients(g, loss, [w])).toThrow(
      expect.objectContaining({
        code: 'unsupported_model',
        message: expect.stringMatching(/^operator Floor \(node Floor_0\) has no gradient/),
      }),
    )
  })

  it('names a use of an operator that has no gradient', () => {
    const { g, w, sum } = start()
    const loss = sum(g.op('Max', [w, w, w]))
    expect(() => addGradients(g, loss, [w])).toThrow(
      /^operator Max with other than two inputs \(node Max_0\) has no gradient/,
    )
  })

  it('leaves frozen parts alone, whatever operators they have', () => {
    const { g, x, w, sum, added } = start()
    const frozen = g.op('Reciprocal', [x])
    const loss = sum(g.op('MatMul', [frozen, w]))
    const before = g.build().nodes.length
    addGradients(g, loss, [w])
    expect(added(before).map(({ op }) => op)).toEqual(['Shape', 'Expand', 'FusedMatMul'])
  })

  it('leaves parts alone that the loss does not see', () => {
    const { g, x, w, sum, added } = start()
    const loss = sum(g.op('MatMul', [x, w]))
    g.op('Floor', [w])
    const before = g.build().nodes.length
    addGradients(g, loss, [w])
    expect(added(before)).toHaveLength(3)
  })

  it('lets a product add the gradient of the residual in passing', () => {
    const { g, x, w, sum, added } = start()
    const loss = sum(g.op('Add', [g.op('Gemm', [x, w]), x]))
    const before = g.build().nodes.length
    addGradients(g, loss, [x])
    const nodes = added(before)
    expect(nodes.filter(({ op }) => op === 'Add')).toEqual([])
    expect(nodes.find(({ op }) => op === 'Gemm')?.inputs).toHaveLength(3)
  })

  it('names gradients apart even where they are equal', () => {
    const { g, w, sum } = start()
    const v = g.input('v', 'float32', [4, 4])
    const [first, second] = addGradients(g, sum(g.op('Add', [v, w])), [v, w])
    expect(first).not.toBe(second)
  })

  it.each([
    ['a loss that is no scalar', (g: GraphBuilder, w: string) => g.op('Relu', [w])],
    ['a loss without its values', (g: GraphBuilder) => g.op('ReduceSum', ['x'], { keepdims: 0 })],
  ])('refuses %s', (_, build) => {
    const { g, w } = start()
    const loss = build(g, w)
    expect(() => addGradients(g, loss, [w])).toThrow(/is not a scalar|does not depend on w/)
  })

  it('refuses shapes that only a run can tell', () => {
    const { g, w, sum } = start()
    const shape = g.input('shape', 'int64', [2])
    const loss = sum(g.op('Reshape', [w, shape]))
    expect(() => addGradients(g, loss, [w])).toThrow(
      `the shape of ${loss} is not known before a run`,
    )
  })
})
