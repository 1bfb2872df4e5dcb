import type { ImagePreprocessing } from '../../lib/manifests/image-preprocessing.ts'

const VALUES = 256

/** Fills `tensor`, a new one where none is given, and returns it. */
export type TensorFiller = (rgb: Uint8Array, tensor?: Float32Array) => Float32Array

/** Fills a network's input [3, height, width] from pixels [height, width, 3]: a table look-up for each value. */
export function createTensorFiller(spec: ImagePreprocessing): TensorFiller {
  const { width, height, scale, mean, std, channels } = spec
  const [first, second, third] = [0, 1, 2].map((channel) => {
    const offset = mean[channel] as number
    const spread = std[channel] as number
    return Float32Array.from({ length: VALUES }, (_, value) => (value * scale - offset) / spread)
  }) as [Float32Array, Float32Array, Float32Array]
  const area = width * height
  const [from, to] = channels === 'rgb' ? [0, 2] : [2, 0]
  return (rgb, tensor = new Float32Array(3 * area)) => {
    for (let i = 0, at = 0; i < area; i++, at += 3) {
      tensor[i] = first[rgb[at + from] as number] as number
      tensor[area + i] = second[rgb[at + 1] as number] as number
      tensor[2 * area + i] = third[rgb[at + to] as number] as number
    }
    return tensor
  }
}
