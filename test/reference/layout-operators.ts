import { integerAttribute, integersAttribute } from '../../shared/onnx/operator-key.ts'
import type { Operator } from './interpreter.ts'
import {
  broadcastDims,
  expand,
  frontAxis,
  gatherStrided,
  sizeOf,
  stridesOf,
  type Tensor,
  transpose,
} from './tensor.ts'

/** Operators that move elements, and those that look at shapes. */
export const LAYOUT_OPERATORS: Readonly<Record<string, Operator>> = {
  Shape(node, [x]) {
    const { start, end } = node.attributes
    const from = typeof start === 'number' ? start : 0
    const dims = (x as Tensor).dims.slice(from, typeof end === 'number' ? end : undefined)
    return [vector(dims)]
  },
  Size: (_, [x]) => [{ dims: [], data: Float64Array.of((x as Tensor).data.length) }],
  Reshape(_, [x, shape]) {
    const { dims, data } = x as Tensor
    const wanted = listOf(shape).map((dim, axis) => (dim === 0 ? (dims[axis] as number) : dim))
    const known = wanted.filter((dim) => dim !== -1)
    return [{ dims: wanted.map((dim) => (dim === -1 ? data.length / sizeOf(known) : dim)), data }]
  },
  Flatten(node, [x]) {
    const { dims, data } = x as Tensor
    const axis = frontAxis(integerAttribute(node, 'axis', 1), dims.length)
    return [{ dims: [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis))], data }]
  },
  Unsqueeze(_, [x, axes]) {
    const { dims, data } = x as Tensor
    const rank = dims.length + listOf(axes).length
    const places = listOf(axes).map((axis) => frontAxis(axis, rank))
    const rest = [...dims]
    const wanted = Array.from({ length: rank }, (_, axis) =>
      places.includes(axis) ? 1 : (rest.shift() as number),
    )
    return [{ dims: wanted, data }]
  },
  Squeeze(_, [x, axes]) {
    const { dims, data } = x as Tensor
    const places = listOf(axes).map((axis) => frontAxis(axis, dims.length))
    return [{ dims: dims.filter((_, axis) => !places.includes(axis)), data }]
  },
  Transpose(node, [x]) {
    const axes = (x as Tensor).dims.map((_, axis) => axis)
    return [transpose(x as Tensor, integersAttribute(node, 'perm') ?? axes.reverse())]
  },
  Expand(_, [x, shape]) {
    return [expand(x as Tensor, broadcastDims([(x as Tensor).dims, listOf(shape)]))]
  },
  Concat(node, inputs) {
    const first = inputs[0] as Tensor
    const axis = frontAxis(integerAttribute(node, 'axis', 0), first.dims.length)
    const total = inputs.reduce((size, { dims }) => size + (dims[axis] as number), 0)
    const outer = sizeOf(first.dims.slice(0, axis))
    const data: number[] = []
    for (let i = 0; i < outer; i++) {
      for (const input of inputs) {
        const block = input.data.length / outer
        data.push(...input.data.subarray(i * block, (i + 1) * block))
      }
    }
    return [{ dims: first.dims.with(axis, total), data: Float64Array.from(data) }]
  },
  Split(node, [x, sizes]) {
    const { dims } = x as Tensor
    const axis = frontAxis(integerAttribute(node, 'axis', 0), dims.length)
    const equal = (dims[axis] as number) / node.outputs.length
    const parts = sizes ? listOf(sizes) : node.outputs.map(() => equal)
    let start = 0
    return parts.map((size) => {
      const part = slice(x as Tensor, axis, start, size)
      start += size
      return part
    })
  },
  Slice(_, [x, starts, ends, axes]) {
    let result = x as Tensor
    for (const [i, first] of listOf(starts).entries()) {
      const axis = frontAxis(axes ? (listOf(axes)[i] as number) : i, result.dims.length)
      const size = result.dims[axis] as number
      const bound = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, 0), size)
      const [from, to] = [bound(first), bound(listOf(ends)[i] as number)]
      result = slice(result, axis, from, Math.max(0, to - from))
    }
    return [result]
  },
  Pad(_, [x, pads]) {
    const { dims, data } = x as Tensor
    const amounts = listOf(pads)
    const wanted = dims.map(
      (dim, axis) => dim + (amounts[axis] as number) + (amounts[axis + dims.length] as number),
    )
    const result = new Float64Array(sizeOf(wanted))
    const strides = stridesOf(wanted)
    const own = stridesOf(dims)
    data.forEach((value, i) => {
      const at = dims.reduce((sum, dim, axis) => {
        const index = Math.floor(i / (own[axis] as number)) % dim
        return sum + (index + (amounts[axis] as number)) * (strides[axis] as number)
      }, 0)
      result[at] = value
    })
    return [{ dims: wanted, data: result }]
  },
  Gather(node, [x, indices]) {
    const { dims, data } = x as Tensor
    const axis = frontAxis(integerAttribute(node, 'axis', 0), dims.length)
    const inner = sizeOf(dims.slice(axis + 1))
    const size = dims[axis] as number
    const found: number[] = []
    for (let outer = 0; outer < sizeOf(dims.slice(0, axis)); outer++) {
      for (const index of (indices as Tensor).data) {
        const at = (outer * size + frontAxis(index, size)) * inner
        found.push(...data.subarray(at, at + inner))
      }
    }
    const wanted = [...dims.slice(0, axis), ...(indices as Tensor).dims, ...dims.slice(axis + 1)]
    return [{ dims: wanted, data: Float64Array.from(found) }]
  },
  /** With `reduction: add` and indices of one number each, as gradients use it. */
  ScatterND(_, [x, indices, updates]) {
    const { dims, data } = x as Tensor
    const result = data.slice()
    const inner = sizeOf(dims.slice(1))
    ;(indices as Tensor).data.forEach((index, row) => {
      const at = frontAxis(index, dims[0] as number) * inner
      for (let i = 0; i < inner; i++) {
        result[at + i] =
          (result[at + i] as number) + ((updates as Tensor).data[row * inner + i] ?? 0)
      }
    })
    return [{ dims, data: result }]
  },
}

function listOf(x: Tensor | undefined): number[] {
  return Array.from((x as Tensor).data)
}

function vector(values: readonly number[]): Tensor {
  return { dims: [values.length], data: Float64Array.from(values) }
}

function slice({ dims, data }: Tensor, axis: number, start: number, size: number): Tensor {
  const strides = stridesOf(dims)
  return gatherStrided(data, dims.with(axis, size), strides, start * (strides[axis] as number))
}
