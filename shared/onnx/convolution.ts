import { EspalierError } from '../lib/errors.ts'
import type { Shape } from './dimensions.ts'
import type { Node } from './graph.ts'
import { integerAttribute, integersAttribute } from './operator-key.ts'

/** How a convolution over rows and columns moves its kernel; pads are top, left, bottom, right. */
export interface Convolution {
  readonly group: number
  readonly strides: readonly [number, number]
  readonly dilations: readonly [number, number]
  readonly pads: readonly [number, number, number, number]
}

/** Reads the attributes of Conv; null for padding that the node leaves to its sizes, and for other ranks. */
export function readConvolution(node: Node): Convolution | null {
  const { auto_pad: automatic } = node.attributes
  if (automatic !== undefined && automatic !== 'NOTSET') return null
  const strides = integersAttribute(node, 'strides') ?? [1, 1]
  const dilations = integersAttribute(node, 'dilations') ?? [1, 1]
  const pads = integersAttribute(node, 'pads') ?? [0, 0, 0, 0]
  if (strides.length !== 2 || dilations.length !== 2 || pads.length !== 4) return null
  return {
    group: integerAttribute(node, 'group', 1),
    strides: strides as [number, number],
    dilations: dilations as [number, number],
    pads: pads as [number, number, number, number],
  }
}

/** Rows and columns of an image [batch, channels, rows, columns]. @throws EspalierError where they are free */
export function imageSize(shape: Shape): readonly [number, number] {
  const [, , rows, columns] = shape
  if (shape.length === 4 && typeof rows === 'number' && typeof columns === 'number') {
    return [rows, columns]
  }
  throw new EspalierError('unsupported_model', `[${shape.join(', ')}] is no image of known size`)
}

/** What a convolution leaves of an axis. */
export function convolvedSize(
  { strides, dilations, pads }: Convolution,
  axis: 0 | 1,
  size: number,
  kernel: number,
): number {
  const padded = size + pads[axis] + (pads[axis + 2] as number)
  return Math.floor((padded - dilations[axis] * (kernel - 1) - 1) / strides[axis]) + 1
}
