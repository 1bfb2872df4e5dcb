import type { ImagePreprocessing } from '../lib/image-preprocessing.ts'

const VALUES = 256

/** Fills a network's input [3, height, width] from pixels [height, width, 3]: a table look-up for each value. */
export function createTensorFiller(spec: ImagePreprocessing): (rgb: Uint8Array) => Float32Array {
  const { width, height, scale, mean, std, channels } = spec
  const tables = [0, 1, 2].map((channel) => {
    const offset = mean[channel] as number
    const spread = std[channel] as number
    return Float32Array.from({ length: VALUES }, (_, value) => (value * scale - offset) / spread)
  })
  const area = width * height
  return (rgb) => {
    const tensor = new Float32Array(3 * area)
    for (const [channel, table] of tables.entries()) {
      const target = tensor.subarray(channel * area, (channel + 1) * area)
      const first = channels === 'rgb' ? channel : 2 - channel
      for (let i = 0, at = first; i < area; i++, at += 3) {
        target[i] = table[rgb[at] as number] as number
      }
    }
    return tensor
  }
}
