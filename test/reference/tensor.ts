/** A dense array of doubles, row by row; integers and truth values are doubles too. */
export interface Tensor {
  readonly dims: readonly number[]
  readonly data: Float64Array
}

/** Number of elements of a shape. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1)
}

/** A tensor of the given shape and elements. */
export function tensor(dims: readonly number[], data: ArrayLike<number>): Tensor {
  if (sizeOf(dims) !== data.length) throw new Error(`[${dims}] does not hold ${data.length}`)
  return { dims, data: Float64Array.from(data) }
}

/** How far apart neighbours of each axis lie. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length)
  let stride = 1
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= dims[axis] as number
  }
  return strides
}

/** The elements at offset + Σ index·stride for every index of `dims`, in order. */
export function gatherStrided(
  data: Float64Array,
  dims: readonly number[],
  strides: readonly number[],
  offset = 0,
): Tensor {
  const result = new Float64Array(sizeOf(dims))
  const index = new Array<number>(dims.length).fill(0)
  let at = offset
  for (let i = 0; i < result.length; i++) {
    result[i] = data[at] as number
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1
      at += strides[axis] as number
      if ((index[axis] as number) < (dims[axis] as number)) break
      at -= (dims[axis] as number) * (strides[axis] as number)
      index[axis] = 0
    }
  }
  return { dims, data: result }
}

/** A tensor repeated along its axes of size 1 to a larger shape. */
export function expand({ dims, data }: Tensor, wanted: readonly number[]): Tensor {
  if (dims.length === wanted.length && dims.every((dim, axis) => dim === wanted[axis])) {
    return { dims, data }
  }
  const own = stridesOf(dims)
  const extra = wanted.length - dims.length
  const strides = wanted.map((_, axis) =>
    axis < extra || dims[axis - extra] === 1 ? 0 : (own[axis - extra] as number),
  )
  return gatherStrided(data, wanted, strides)
}

/** The shape that shapes make together. */
export function broadcastDims(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((dims) => dims.length))
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((dims) => dims[axis - rank + dims.length] ?? 1)
    const size = sizes.find((candidate) => candidate !== 1) ?? 1
    if (sizes.some((other) => other !== 1 && other !== size)) {
      throw new Error(`[${shapes.join('] and [')}] do not fit together`)
    }
    return size
  })
}

/** A tensor with its axes in another order. */
export function transpose({ dims, data }: Tensor, perm: readonly number[]): Tensor {
  const strides = stridesOf(dims)
  return gatherStrided(
    data,
    perm.map((axis) => dims[axis] as number),
    perm.map((axis) => strides[axis] as number),
  )
}

/** An axis counted from the front. */
export function frontAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}
