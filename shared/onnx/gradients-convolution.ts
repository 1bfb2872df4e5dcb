import { type Convolution, convolvedSize, imageSize, readConvolution } from './convolution.ts'
import type { Shape } from './dimensions.ts'
import type { GradientQuery, GradientRule } from './gradient-scope.ts'

/** Gradients of operators on images [batch, channels, rows, columns]. */
export const CONVOLUTION_GRADIENTS: Readonly<Record<string, GradientRule>> = {
  /**
   * y = x ∗ w + b. dx is dy spread over w by a transposed convolution; dw is a convolution of x with dy as the
   * kernel, where batch and channels change places and strides and dilations do; db = Σ dy.
   */
  Conv(q) {
    const [x, w, b] = q.node.inputs as [string, string, string | undefined]
    const convolution = readConvolution(q.node)
    if (!convolution || q.shape(w).length !== 4) throw q.refusal('of other than images')
    const dy = q.gradient() as string
    if (q.wants(0)) q.give(0, spreadBack(q, convolution, dy, x, w))
    if (q.wants(1)) {
      q.give(
        1,
        isPointwise(q, convolution)
          ? multiplyPixels(q, dy, x, w)
          : correlate(q, convolution, dy, x, w),
      )
    }
    if (b && q.wants(2)) q.give(2, q.g.op('ReduceSum', [dy, q.g.int64s(0, 2, 3)], { keepdims: 0 }))
  },
  /** dx = dy / (rows · columns) */
  GlobalAveragePool(q) {
    const x = q.node.inputs[0] as string
    const [rows, columns] = imageSize(q.shape(x))
    const share = q.g.op('Mul', [q.gradient() as string, q.scalar(1 / (rows * columns))])
    q.give(0, q.expandLike(share, x))
  },
}

/** Whether a kernel of one pixel touches each pixel once. */
function isPointwise(q: GradientQuery, { group, strides, pads }: Convolution): boolean {
  const kernel = imageSize(q.shape(q.node.inputs[1] as string))
  const single = [...kernel, ...strides, group].every((size) => size === 1)
  return single && pads.every((pad) => pad === 0)
}

/** dx: rows and columns that a stride jumped over at the end come back as output padding. */
function spreadBack(
  { g, shape }: GradientQuery,
  { group, strides, dilations, pads }: Convolution,
  dy: string,
  x: string,
  w: string,
): string {
  const [size, kernel] = [imageSize(shape(x)), imageSize(shape(w))]
  const output = ([0, 1] as const).map((axis) => {
    const left = convolvedSize({ group, strides, dilations, pads }, axis, size[axis], kernel[axis])
    const reached = strides[axis] * (left - 1) + dilations[axis] * (kernel[axis] - 1) + 1
    return size[axis] + pads[axis] + (pads[axis + 2] as number) - reached
  })
  const attributes = { group, strides, dilations, pads, output_padding: output }
  return g.op('ConvTranspose', [dy, w], attributes)
}

/** dw of a kernel of one pixel: one matrix product over the pixels of all images. */
function multiplyPixels(q: GradientQuery, dy: string, x: string, w: string): string {
  const { g } = q
  // [channels, images · pixels]: a product for each image would have to be summed, which takes longer.
  const flat = (value: string, channels: Shape[number] | undefined) => {
    const moved = g.op('Transpose', [value], { perm: [1, 0, 2, 3] })
    return g.op('Reshape', [moved, g.int64s(channels as number, -1)])
  }
  const [outputs, inputs] = q.shape(w)
  const sum = g.op('Gemm', [flat(dy, outputs), flat(x, inputs)], { transB: 1 })
  return q.reshapeLike(sum, w)
}

/** dw: each group's channels against the gradients of its outputs, with the batch as channels. */
function correlate(
  { g, shape }: GradientQuery,
  { group, strides, dilations, pads }: Convolution,
  dy: string,
  x: string,
  w: string,
): string {
  const [rows, columns] = imageSize(shape(x))
  const [, inputs, ...kernel] = shape(w) as [number, number, number, number]
  const apart = g.op('Reshape', [x, g.int64s(-1, group, inputs, rows, columns)])
  const moved = g.op('Transpose', [apart], { perm: [2, 1, 0, 3, 4] })
  // [inputs of a group, groups · batch, rows, columns]
  const images = g.op('Reshape', [moved, g.int64s(inputs, -1, rows, columns)])
  const kernels = g.op('Transpose', [dy], { perm: [1, 0, 2, 3] })
  const attributes = { group, strides: dilations, dilations: strides, pads }
  const found = g.op('Conv', [images, kernels], attributes)
  // A stride that does not divide the size leaves more than the kernel.
  const cut = g.op('Slice', [found, g.int64s(0, 0), g.int64s(...kernel), g.int64s(2, 3)])
  return g.op('Transpose', [cut], { perm: [1, 0, 2, 3] })
}
