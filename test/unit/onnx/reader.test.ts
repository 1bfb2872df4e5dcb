import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { encodeFloat16 } from '../../../shared/lib/maths/float16.ts'
import { bypassIdentities, cutGraph, findBottlenecks } from '../../../shared/onnx/cut.ts'
import { type Graph, GraphBuilder } from '../../../shared/onnx/graph.ts'
import { ProtobufWriter } from '../../../shared/onnx/protobuf.ts'
import { parseModel } from '../../../shared/onnx/reader.ts'
import { widenFloat16 } from '../../../shared/onnx/widen.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { buildTinyImageNetwork } from '../../fakes/tiny-image-network.ts'

const tiny = serializeModel(buildTinyImageNetwork()).graph

/** A model around one graph message. */
function model(
  graph: (w: ProtobufWriter) => unknown,
  { opset = 17, domain = '' }: { opset?: number; domain?: string } = {},
): Uint8Array {
  const writer = new ProtobufWriter().integer(1, 8).message(7, (w) => void graph(w))
  return writer.message(8, (w) => w.string(1, domain).integer(2, opset)).finish()
}

const tensor = (w: ProtobufWriter, name: string, type: number, dims: readonly number[]) => {
  for (const dim of dims) w.integer(1, dim)
  return w.integer(2, type).string(8, name)
}
const output = (w: ProtobufWriter, name: string) =>
  w.message(12, (value) =>
    value.string(1, name).message(2, (type) => type.message(1, (t) => t.integer(1, 1))),
  )

describe('reads', () => {
  test('what the writer wrote, in both operator sets', () => {
    for (const opset of [17, 24] as const) {
      const g = new GraphBuilder('own', opset)
      const x = g.input('x', 'float32', ['batch', 4])
      g.constant('w', 'float32', [4, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, -0.5))
      const y = g.op('Gemm', [x, 'w'], { alpha: { float: 0.5 }, transB: 0, note: 'plain' })
      const z = g.op('Reshape', [y, g.int64s(-1, 2)])
      g.output('z', g.op('Slice', [z, g.int64s(0), g.int64s(1)], { steps: [1, -2] }), 'float32', [])
      const built = g.build()
      const read = parseModel(serializeModel(built).graph)
      expect(read).toEqual({ ...built, outputs: [{ name: 'z', type: 'float32', shape: [] }] })
    }
  })

  test('numbers in the fields of their types, packed and one by one', () => {
    const bytes = model((w) => {
      w.message(5, (t) => tensor(t, 'floats', 1, [2]).float(4, 1.5).float(4, -2))
      w.message(5, (t) => tensor(t, 'packed', 7, [3]).bytes(7, Uint8Array.of(1, 0x80, 1, 0)))
      w.message(5, (t) => tensor(t, 'half', 10, [2]).integer(5, 0x3c00).integer(5, 0xc000))
      w.message(5, (t) => tensor(t, 'signed', 3, [2]).integer(5, -1).integer(5, 127))
      w.message(5, (t) => tensor(t, 'flags', 9, [2]).integer(5, 1).integer(5, 0))
      output(w, 'floats')
    })
    const data = Object.fromEntries(
      parseModel(bytes).initializers.map(({ name, data }) => [name, data]),
    )
    expect(data).toEqual({
      floats: Float32Array.of(1.5, -2),
      packed: BigInt64Array.of(1n, 128n, 0n),
      half: Uint16Array.of(0x3c00, 0xc000),
      signed: Int8Array.of(-1, 127),
      flags: Uint8Array.of(1, 0),
    })
  })

  test('constants written as nodes, and weights listed as inputs', () => {
    const bytes = model((w) => {
      w.message(1, (node) => {
        node.string(2, 'c').string(4, 'Constant')
        node.message(5, (a) =>
          a.string(1, 'value_ints').integer(8, 3).integer(8, -4).integer(20, 7),
        )
      })
      w.message(5, (t) => tensor(t, 'w', 1, [1]).float(4, 1))
      w.message(11, (value) =>
        value.string(1, 'w').message(2, (type) => type.message(1, (t) => t.integer(1, 1))),
      )
      output(w, 'c')
    })
    const { inputs, nodes, initializers } = parseModel(bytes)
    expect([inputs, nodes]).toEqual([[], []])
    const constant = initializers.find(({ name }) => name === 'c')
    expect(constant).toMatchObject({ type: 'int64', dims: [2], data: BigInt64Array.of(3n, -4n) })
  })

  test('weights of another file only where the caller has them read', () => {
    const bytes = model((w) => {
      w.message(5, (t) => {
        tensor(t, 'w', 1, [2]).integer(14, 1)
        const entries = { location: 'weights.bin', offset: '8', length: '8' }
        for (const [key, value] of Object.entries(entries)) {
          t.message(13, (entry) => entry.string(1, key).string(2, value))
        }
      })
      output(w, 'w')
    })
    expect(() => parseModel(bytes)).toThrow(/tensor w in a file beside it/)
    const file = new Uint8Array(Float32Array.of(0, 0, 3, 4).buffer)
    const read = parseModel(bytes, ({ location, offset, length }) => {
      expect(location).toBe('weights.bin')
      return file.subarray(offset, offset + (length ?? 0))
    })
    expect(read.initializers[0]?.data).toEqual(Float32Array.of(3, 4))
  })
})

describe('refuses', () => {
  const node = (w: ProtobufWriter, fill: (n: ProtobufWriter) => unknown) =>
    w.message(1, (n) => void fill(n))
  test.each<[string, Uint8Array, string, RegExp]>([
    ['nothing', new Uint8Array(0), 'invalid_model_file', /no graph/],
    ['a text', Buffer.from('version https://git-lfs'), 'invalid_model_file', /not an ONNX file/],
    ['half a file', tiny.subarray(0, tiny.length / 2), 'invalid_model_file', /bytes where/],
    ['operator set 3', model((w) => output(w, 'x'), { opset: 3 }), 'unsupported_model', /set 3/],
    [
      'no standard operators',
      model((w) => output(w, 'x'), { domain: 'ai.onnx.ml' }),
      'invalid_model_file',
      /no operator set/,
    ],
    [
      'a value that nothing makes',
      model((w) =>
        output(
          node(w, (n) => n.string(1, 'a').string(2, 'b').string(4, 'Relu')),
          'b',
        ),
      ),
      'invalid_model_file',
      /Relu reads a, which nothing/,
    ],
    ['a lost output', model((w) => output(w, 'x')), 'invalid_model_file', /makes the output x/],
    [
      'control flow',
      model((w) =>
        node(w, (n) =>
          n.string(4, 'If').message(5, (a) => a.string(1, 'then_branch').integer(20, 5)),
        ),
      ),
      'unsupported_model',
      /then_branch/,
    ],
    [
      'a tensor of strings',
      model((w) => w.message(5, (t) => tensor(t, 's', 8, [1]))),
      'unsupported_model',
      /type 8/,
    ],
    [
      'too few numbers',
      model((w) => w.message(5, (t) => tensor(t, 't', 1, [3]).float(4, 1))),
      'invalid_model_file',
      /tensor t has 1 numbers for the shape \[3\]/,
    ],
    [
      'a shape beyond counting',
      model((w) => w.message(5, (t) => tensor(t, 't', 1, [2 ** 40, 2 ** 40]))),
      'invalid_model_file',
      /tensor t has the shape/,
    ],
  ])('%s', (_, bytes, code, message) => {
    let error: unknown
    try {
      parseModel(bytes)
    } catch (reason) {
      error = reason
    }
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('any damage in one line, and never crashes', () => {
    const changes = fc.array(
      fc.tuple(fc.nat({ max: tiny.length - 1 }), fc.integer({ min: 0, max: 255 })),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(changes, fc.nat({ max: tiny.length }), (bytes, end) => {
        const damaged = tiny.slice(0, end % 3 === 0 ? end : tiny.length)
        for (const [at, value] of bytes) if (at < damaged.length) damaged[at] = value
        try {
          parseModel(damaged)
        } catch (error) {
          if (!(error instanceof EspalierError)) throw error
          expect(error.message).not.toContain('\n')
        }
      }),
      { numRuns: 400, seed: 8 },
    )
  })
})

describe('graphs', () => {
  const graph = parseModel(tiny)

  test('are cut at a value, without what it does not need', () => {
    const cut = cutGraph(graph, ['relu'])
    expect(cut.nodes.map(({ op }) => op)).toEqual(['Conv', 'Relu'])
    expect(cut.initializers.map(({ name }) => name)).toEqual(['w1', 'b1'])
    expect(cut.inputs).toEqual(graph.inputs)
    expect(() => cutGraph(graph, ['nowhere'])).toThrow(/no layer nowhere/)
  })

  test('have bottlenecks, which the branches of a residual block are not', () => {
    const values = findBottlenecks(bypassIdentities(graph)).map(({ value }) => value)
    expect(values).toEqual(['conv', 'relu', 'sum', 'mean', 'features', 'scores'])
  })

  test('lose nodes that pass a value on, unless they make an output', () => {
    const { nodes } = bypassIdentities(graph)
    expect(nodes.some(({ op }) => op === 'Dropout')).toBe(false)
    expect(nodes.find(({ op }) => op === 'GlobalAveragePool')?.inputs).toEqual(['sum'])
    const outputs = [{ name: 'kept', type: 'float32' as const, shape: [] }]
    expect(bypassIdentities({ ...graph, outputs }).nodes.some(({ op }) => op === 'Dropout')).toBe(
      true,
    )
  })

  test('are widened from float16 to the same numbers in float32', () => {
    const half = parseModel(serializeModel(buildTinyImageNetwork('float16')).graph)
    expect(half.initializers[0]?.type).toBe('float16')
    const wide: Graph = widenFloat16(half)
    expect(wide).toEqual(graph)
    const cast = {
      name: '',
      op: 'Cast',
      domain: '',
      inputs: [],
      outputs: [],
      attributes: { to: 10 },
    }
    const value = { name: 'v', type: 'float16' as const, dims: [1] }
    const filled = { tensor: { ...value, data: encodeFloat16(Float32Array.of(2)) } }
    const shape = { ...cast, op: 'ConstantOfShape', attributes: { value: filled } }
    const widened = widenFloat16({ ...half, nodes: [cast, shape] }).nodes
    expect(widened[0]?.attributes).toEqual({ to: 1 })
    expect(widened[1]?.attributes.value).toMatchObject({ tensor: { data: Float32Array.of(2) } })
  })
})
