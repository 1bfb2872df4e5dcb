import { integerAttribute, integersAttribute } from '../../shared/onnx/operator-key.ts'
import type { Operator } from './interpreter.ts'
import { sizeOf, type Tensor } from './tensor.ts'

type Four = [number, number, number, number]

/** Where a convolution reads and writes: every pair of pixels that a weight connects. */
interface Visit {
  readonly image: number
  readonly weight: number
  readonly result: number
}

/** Operators on images. */
export const CONVOLUTION_OPERATORS: Readonly<Record<string, Operator>> = {
  Conv(node, [x, w, b]) {
    const { strides, dilations, pads, group } = readAttributes(node)
    const kernel = (w as Tensor).dims.slice(2)
    const size = [0, 1].map((axis) => {
      const padded = ((x as Tensor).dims[axis + 2] ?? 0) + (pads[axis] ?? 0) + (pads[axis + 2] ?? 0)
      const reach = (dilations[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1
      return Math.floor((padded - reach) / (strides[axis] ?? 1)) + 1
    })
    const [batch] = (x as Tensor).dims as Four
    const dims = [batch, (w as Tensor).dims[0] as number, ...size] as Four
    const pixels = sizeOf(size)
    const data = Float64Array.from(
      { length: sizeOf(dims) },
      (_, i) => b?.data[Math.floor(i / pixels) % dims[1]] ?? 0,
    )
    for (const { image, weight, result } of visit((x as Tensor).dims as Four, w as Tensor, dims, {
      strides,
      dilations,
      pads,
      group,
    })) {
      data[result] =
        (data[result] as number) +
        ((x as Tensor).data[image] as number) * ((w as Tensor).data[weight] as number)
    }
    return [{ dims, data }]
  },
  ConvTranspose(node, [y, w]) {
    const attributes = readAttributes(node)
    const { strides, dilations, pads, group } = attributes
    const extra = integersAttribute(node, 'output_padding') ?? [0, 0]
    const { dims: from } = y as Tensor
    const { dims: kernel } = w as Tensor
    const size = [0, 1].map((axis) => {
      const reach = (dilations[axis] ?? 1) * ((kernel[axis + 2] ?? 1) - 1) + 1
      const spread = (strides[axis] ?? 1) * ((from[axis + 2] ?? 1) - 1) + reach
      return spread + (extra[axis] ?? 0) - (pads[axis] ?? 0) - (pads[axis + 2] ?? 0)
    })
    const dims = [from[0] as number, (kernel[1] as number) * group, ...size] as Four
    const data = new Float64Array(sizeOf(dims))
    for (const { image, weight, result } of visit(dims, w as Tensor, from as Four, attributes)) {
      data[image] =
        (data[image] as number) +
        ((y as Tensor).data[result] as number) * ((w as Tensor).data[weight] as number)
    }
    return [{ dims, data }]
  },
  GlobalAveragePool(_, [x]) {
    const [batch, channels, rows, columns] = (x as Tensor).dims as Four
    const pixels = rows * columns
    const data = Float64Array.from({ length: batch * channels }, (_, i) => {
      const image = (x as Tensor).data.subarray(i * pixels, (i + 1) * pixels)
      return image.reduce((sum, value) => sum + value, 0) / pixels
    })
    return [{ dims: [batch, channels, 1, 1], data }]
  },
}

function readAttributes(node: Parameters<Operator>[0]) {
  return {
    group: integerAttribute(node, 'group', 1),
    strides: integersAttribute(node, 'strides') ?? [1, 1],
    dilations: integersAttribute(node, 'dilations') ?? [1, 1],
    pads: integersAttribute(node, 'pads') ?? [0, 0, 0, 0],
  }
}

function* visit(
  [batch, channels, rows, columns]: Four,
  { dims: [outputs = 1, inputs = 1, kernelRows = 1, kernelColumns = 1] }: Tensor,
  [, , resultRows, resultColumns]: Four,
  { strides, dilations, pads, group }: ReturnType<typeof readAttributes>,
): Generator<Visit> {
  for (let n = 0; n < batch; n++) {
    for (let m = 0; m < outputs; m++) {
      const first = Math.floor(m / (outputs / group)) * inputs
      for (let c = 0; c < inputs; c++) {
        for (let i = 0; i < kernelRows; i++) {
          for (let j = 0; j < kernelColumns; j++) {
            const weight = ((m * inputs + c) * kernelRows + i) * kernelColumns + j
            for (let p = 0; p < resultRows; p++) {
              const row = p * (strides[0] ?? 1) + i * (dilations[0] ?? 1) - (pads[0] ?? 0)
              if (row < 0 || row >= rows) continue
              for (let q = 0; q < resultColumns; q++) {
                const column = q * (strides[1] ?? 1) + j * (dilations[1] ?? 1) - (pads[1] ?? 0)
                if (column < 0 || column >= columns) continue
                yield {
                  image: ((n * channels + first + c) * rows + row) * columns + column,
                  weight,
                  result: ((n * outputs + m) * resultRows + p) * resultColumns + q,
                }
              }
            }
          }
        }
      }
    }
  }
}
