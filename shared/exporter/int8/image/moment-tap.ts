import { readConvolution } from '../../../onnx/convolution.ts'
import type { Initializer, Node, ValueInfo } from '../../../onnx/graph.ts'
import type { ConvolutionSite } from './convolution-sites.ts'
import type { ConvolutionMoments } from './quantize-convolution.ts'

/** Taps that are rounded in view of each other; the cost grows with the cube, the gain hardly. */
const MAX_BLOCK = 768

interface Block {
  readonly name: string
  readonly from: number
  readonly size: number
}

/** Operators that give the mean of what a convolution reads, and its products summed over all positions. */
export class MomentTap {
  readonly nodes: readonly Node[]
  readonly constants: readonly Initializer[]
  readonly outputs: readonly ValueInfo[]
  /** Numbers of all its sums of products. */
  readonly size: number
  readonly #site: ConvolutionSite
  readonly #blocks: readonly Block[]

  constructor(site: ConvolutionSite) {
    const { output: key, groups, taps } = site
    const nodes: Node[] = []
    const constants: Initializer[] = []
    const outputs: ValueInfo[] = []
    const add = (
      op: string,
      inputs: string[],
      name: string,
      attributes: Node['attributes'] = {},
    ) => {
      nodes.push({ name, op, domain: '', inputs, outputs: [name], attributes })
      return name
    }
    const ints = (name: string, ...values: number[]) => {
      const data = BigInt64Array.from(values, BigInt)
      constants.push({ name, type: 'int64', dims: [values.length], data })
      return name
    }
    const declare = (name: string, type: 'float32' | 'int64' = 'float32') =>
      outputs.push({ name, type, shape: [], anyShape: true })
    const kernel = unfold(site)
    const columns = kernel
      ? add('Conv', [site.input, kernel.weight.name], `${key}.columns`, kernel.attributes)
      : site.input
    if (kernel) constants.push(kernel.weight)
    declare(add('GlobalAveragePool', [columns], `${key}.mean`))
    declare(add('Shape', [columns], `${key}.shape`), 'int64')
    const rows = add('Reshape', [columns, ints(`${key}.rows`, groups, taps, -1)], `${key}.matrix`)
    this.#blocks = listBlocks(key, taps)
    for (const { name, from, size } of this.#blocks) {
      const range = [from, from + size, 1] as const
      const ends = range.map((value, i) => ints(`${name}.${i}`, value)) as [string, string, string]
      const axes = ints(`${name}.axes`, 1)
      const part = add('Slice', [rows, ends[0], ends[1], axes, ends[2]], `${name}.part`)
      const turned = add('Transpose', [part], `${name}.turned`, { perm: [0, 2, 1] })
      declare(add('MatMul', [part, turned], name))
    }
    this.nodes = nodes
    this.constants = constants
    this.outputs = outputs
    this.size = groups * this.#blocks.reduce((sum, { size }) => sum + size ** 2, 0)
    this.#site = site
  }

  /** Sums of nothing yet. */
  start(): MomentSums {
    return new MomentSums(this.#site, this.#blocks)
  }
}

/** Adds up what a tap gives, image by image. */
export class MomentSums {
  readonly #site: ConvolutionSite
  readonly #blocks: readonly Block[]
  readonly #mean: Float64Array
  readonly #products: readonly Float64Array[]
  #images = 0

  constructor(site: ConvolutionSite, blocks: readonly Block[]) {
    this.#site = site
    this.#blocks = blocks
    this.#mean = new Float64Array(site.groups * site.taps)
    this.#products = blocks.map(({ size }) => new Float64Array(site.groups * size ** 2))
  }

  /** Takes the values of one image. */
  take(values: Readonly<Record<string, ArrayLike<number | bigint>>>): void {
    const key = this.#site.output
    const [, , height, width] = Array.from(values[`${key}.shape`] ?? [], Number)
    const positions = (height as number) * (width as number)
    addScaled(this.#mean, values[`${key}.mean`] as ArrayLike<number>, 1)
    for (const [i, { name }] of this.#blocks.entries()) {
      const products = this.#products[i] as Float64Array
      addScaled(products, values[name] as ArrayLike<number>, 1 / positions)
    }
    this.#images++
  }

  /** Means and covariances of all images so far. */
  finish(): ConvolutionMoments {
    const { groups, taps } = this.#site
    const mean = this.#mean.map((sum) => sum / this.#images)
    const blocks = this.#blocks.flatMap(({ from, size }, i) =>
      Array.from({ length: groups }, (_, group) => {
        const first = group * taps + from
        const area = size ** 2
        const products = this.#products[i] as Float64Array
        const part = products.subarray(group * area, (group + 1) * area)
        const covariance = part.map((sum, at) => {
          const row = mean[first + Math.floor(at / size)] as number
          return sum / this.#images - row * (mean[first + (at % size)] as number)
        })
        return { group, from, covariance }
      }),
    )
    return { mean, blocks }
  }
}

function listBlocks(key: string, taps: number): Block[] {
  const size = Math.ceil(taps / Math.ceil(taps / MAX_BLOCK))
  return Array.from({ length: Math.ceil(taps / size) }, (_, n) => ({
    name: `${key}.products${n}`,
    from: n * size,
    size: Math.min(size, taps - n * size),
  }))
}

/**
 * A convolution that lays out what another one reads: a channel for each tap of each channel, in the order of
 * the weights. Null where a kernel of one position reads just what is there.
 */
function unfold({ node, output, groups, kernel, taps }: ConvolutionSite): {
  readonly weight: Initializer
  readonly attributes: Node['attributes']
} | null {
  const { strides, pads } = readConvolution(node) as NonNullable<ReturnType<typeof readConvolution>>
  const size = kernel[0] * kernel[1]
  const moves = strides.some((stride) => stride > 1) || pads.some((pad) => pad > 0)
  if (size === 1 && !moves) return null
  const channels = (groups * taps) / size
  const data = new Float32Array(channels * size * size)
  for (let row = 0; row < channels * size; row++) data[row * size + (row % size)] = 1
  const dims = [channels * size, 1, ...kernel]
  const weight: Initializer = { name: `${output}.unfold`, type: 'float32', dims, data }
  return { weight, attributes: { ...node.attributes, kernel_shape: kernel, group: channels } }
}

function addScaled(into: Float64Array, values: ArrayLike<number>, factor: number): void {
  for (let i = 0; i < into.length; i++) {
    into[i] = (into[i] as number) + factor * (values[i] as number)
  }
}
